package cli

import (
	"encoding/json"

	"github.com/spf13/cobra"
)

var emergencyFields = columns("ID=id KIND=kind PERSON=identity_id STATE=state")

// emergencyAct is the body of an emergency, or of its lift.
type emergencyAct struct {
	Person string `json:"person"`
	Reason string `json:"reason"`
}

func (t *tool) emergency() *cobra.Command {
	return group("emergency", "The emergency lane: terminate, lift",
		t.emergencyVerb("terminate", "Shut a person out at once, in every target; it stays so whatever sources say",
			"joinery emergency terminate 1005 --reason \"laptop stolen\" --as 1000"),
		t.emergencyVerb("lift", "Ask for an emergency to be lifted, as the person given by --as; a second person says the same, and it is",
			"joinery emergency lift 1005 --reason \"laptop found\" --as 1000"))
}

func (t *tool) emergencyVerb(kind, short, example string) *cobra.Command {
	var body emergencyAct
	var dryRun bool
	cmd := &cobra.Command{Use: kind + " PERSON", Short: short, Args: args("a person"), Example: "  " + example}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body.Person = args[0]
		answer, err := t.post(cmd.Context(), "/emergency/"+kind, rehearsed(dryRun), body)
		if err != nil {
			return err
		}
		var result struct {
			State string `json:"state"`
		}
		if err := json.Unmarshal(answer, &result); err == nil && result.State == "waiting" {
			t.progress("asked; another person has to say the same")
		}
		return t.showOne(answer, emergencyFields)
	}
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

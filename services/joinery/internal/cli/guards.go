package cli

import (
	"encoding/json"
	"net/url"

	"github.com/spf13/cobra"
)

var (
	guardColumns = columns("ID=id STATE=state GUARD=guard TARGET=target HELD=held TRIPPED=tripped_at VOTES=votes MESSAGE=message")
	guardFields  = columns("ID=id STATE=state GUARD=guard TARGET=target HELD=held TRIPPED=tripped_at DECIDED=decided_at MESSAGE=message")
	voteColumns  = columns("AT=at KIND=kind ACTOR=actor REASON=reason")
)

// guardAct is the body of a word on what a guard holds.
type guardAct struct {
	Reason string `json:"reason"`
}

func (t *tool) guard() *cobra.Command {
	query := url.Values{}
	list := &cobra.Command{Use: "list", Short: "List guards that hold mass changes, newest first", Args: args(),
		Example: "  joinery guard list\n  joinery guard list --state all -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := t.list(cmd.Context(), "/guards", query)
			if err != nil {
				return err
			}
			return t.show(p.Items, guardColumns)
		}}
	queryFlag(list, query, "state", "holding (the default), released, cancelled or all")
	return group("guard", "Held mass changes: list, release, cancel", list,
		t.decideGuard("release", "Let what a guard holds go on, as the person given by --as; it takes two people"),
		t.decideGuard("cancel", "Have what a guard holds not done, as the person given by --as; it takes two people"))
}

func (t *tool) decideGuard(kind, short string) *cobra.Command {
	var body guardAct
	var dryRun bool
	cmd := &cobra.Command{Use: kind + " GUARD", Short: short, Args: args("the id of a guard that has tripped"),
		Example: "  joinery guard " + kind + " mass-leaver:chat.3f9a2c1b --as 1000 --reason \"the reorganisation of March\""}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		answer, err := t.post(cmd.Context(), "/guards/"+url.PathEscape(args[0])+"/"+kind, rehearsed(dryRun), body)
		if err != nil {
			return err
		}
		var result struct {
			State  string `json:"state"`
			DryRun bool   `json:"dry_run"`
		}
		switch err := json.Unmarshal(answer, &result); {
		case unseen(answer):
			t.progress("written; it will be counted in a moment")
		case err == nil && !result.DryRun && result.State == "holding":
			t.progress("counted; another person has to say the same")
		}
		return t.showWith(answer, guardFields, "votes", voteColumns)
	}
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

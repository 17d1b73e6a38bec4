package cli

import (
	"net/url"

	"github.com/spf13/cobra"
)

var (
	quarantineColumns = columns("ID=id REASON=reason CANDIDATES=candidates MAY_BE_NEW=may_be_new RECORDS=records SINCE=since")
	assignedFields    = columns("ID=id REASON=reason TO=to RECORDS=records SINCE=since SEEN=seen")
	waitingColumns    = columns("RECORD=id KIND=kind RECORDED=recorded_at NUMBER=person.employee_number GIVEN=person.given_name FAMILY=person.family_name EMAIL=person.email DEPARTMENT=person.department")
)

// assignment is the body of saying whose a worker is.
type assignment struct {
	To     string `json:"to,omitempty"`
	Reason string `json:"reason"`
}

func (t *tool) quarantine() *cobra.Command {
	query := url.Values{}
	list := &cobra.Command{Use: "list", Short: "List workers of whom nobody knows whose they are, who has waited longest first", Args: args(),
		Example: "  joinery quarantine list\n  joinery quarantine list --source hr -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := t.list(cmd.Context(), "/quarantine", query)
			if err != nil {
				return err
			}
			return t.show(p.Items, quarantineColumns)
		}}
	queryFlag(list, query, "source", "of that source")
	show := &cobra.Command{Use: "show KEY", Short: "Show one of them with the newest of its records", Args: args("a worker as source/source_key"),
		Example: "  joinery quarantine show hr/2002",
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := t.get(cmd.Context(), "/quarantine/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return t.showWith(answer, quarantineColumns, "newest", waitingColumns)
		}}
	assign, body := t.assignVerb("assign", "Say whose a worker is, as the person given by --as", " --to 1001")
	assign.Flags().StringVar(&body.To, "to", "", "the `PERSON` whose the worker is")
	run := assign.RunE
	assign.RunE = func(cmd *cobra.Command, args []string) error {
		if body.To == "" {
			return usage("say whose the worker is with --to PERSON; a new person is made by `joinery quarantine new`")
		}
		return run(cmd, args)
	}
	fresh, _ := t.assignVerb("new", "Say that a worker is a new person, as the person given by --as", "")
	return group("quarantine", "Workers of whom nobody knows whose they are: list, show, assign, new", list, show, assign, fresh)
}

func (t *tool) assignVerb(verb, short, flags string) (*cobra.Command, *assignment) {
	var body assignment
	var dryRun bool
	cmd := &cobra.Command{Use: verb + " KEY", Short: short, Args: args("a worker as source/source_key"),
		Example: "  joinery quarantine " + verb + " hr/2002" + flags + " --as 1000 --reason \"asked her\""}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		answer, err := t.post(cmd.Context(), "/quarantine/"+url.PathEscape(args[0])+"/"+verb, rehearsed(dryRun), body)
		if err != nil {
			return err
		}
		if unseen(answer) {
			t.progress("written; it will count in a moment")
		}
		return t.showOne(answer, assignedFields)
	}
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd, &body
}

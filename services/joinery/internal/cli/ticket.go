package cli

import (
	"net/url"

	"github.com/spf13/cobra"
)

var (
	ticketColumns = columns("ID=id STATE=state TARGET=target ACCOUNT=account PERSON=person LANE=lane OPENED=opened_at CLOSED=closed_at ACTOR=actor REASON=reason")
	ticketFields  = columns("ID=id STATE=state TARGET=target ACCOUNT=account PERSON=person LANE=lane CASE=case_id OPENED=opened_at CLOSED=closed_at ACTOR=actor REASON=reason")
	todoColumns   = columns("STEP=verb ITEM=item ENABLED=enabled ATTRIBUTES=attributes")
)

func (t *tool) ticket() *cobra.Command {
	query := url.Values{}
	var all bool
	list := &cobra.Command{Use: "list", Short: "List what people are asked to change by hand: with --as what that person may close, else all that is open; leavers first", Args: args(),
		Example: "  joinery ticket list --as 1000\n  joinery ticket list --state closed --target keys -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := t.ownOnly(query, "state", all); err != nil {
				return err
			}
			p, err := t.list(cmd.Context(), "/tickets", query)
			if err != nil {
				return err
			}
			return t.show(p.Items, ticketColumns)
		}}
	queryFlag(list, query, "state", "open (the default), done, refused, overtaken, or closed: all three")
	queryFlag(list, query, "target", "of that target")
	queryFlag(list, query, "limit", "of closed ones at most so many, up to 1000; default 100")
	list.Flags().BoolVar(&all, "all", false, "also those that others close")
	show := &cobra.Command{Use: "show TICKET", Short: "Show one ticket with its steps", Args: args("a ticket id"),
		Example: "  joinery ticket show pe-7k2q",
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := t.get(cmd.Context(), "/tickets/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return t.showWith(answer, ticketFields, "steps", todoColumns)
		}}
	return group("ticket", "What people are asked to change by hand: list, show, done, refuse", list, show,
		t.closeTicket("done", "Say that every step of a ticket has been made", "handed over at the desk"),
		t.closeTicket("refuse", "Say that the steps of a ticket will not be made: an exception is opened", "there is no key left"))
}

func (t *tool) closeTicket(kind, short, reason string) *cobra.Command {
	var body guardAct
	var dryRun bool
	cmd := &cobra.Command{Use: kind + " TICKET", Short: short, Args: args("a ticket id"),
		Example: "  joinery ticket " + kind + " pe-7k2q --as 1000 --reason \"" + reason + "\""}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		answer, err := t.post(cmd.Context(), "/tickets/"+url.PathEscape(args[0])+"/"+kind, rehearsed(dryRun), body)
		if err != nil {
			return err
		}
		if unseen(answer) {
			t.progress("written; it will count in a moment")
		}
		return t.showWith(answer, ticketFields, "steps", todoColumns)
	}
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

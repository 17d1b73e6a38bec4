package cli

import (
	"encoding/json"
	"net/url"

	"github.com/spf13/cobra"
)

var (
	approvalColumns = columns("ID=id STATUS=status ROLE=role PERSON=person REQUESTER=requester STAGE=stage APPROVERS=approvers DUE=due_at REASON=reason")
	approvalFields  = columns("ID=id STATUS=status ROLE=role PERSON=person REQUESTER=requester REASON=reason STAGE=stage APPROVERS=approvers DUE=due_at REQUESTED=requested_at PROCESS=process ENTITLEMENTS=entitlements CASE=case_id")
	stepColumns     = columns("AT=at KIND=kind STAGE=stage ACTOR=actor REASON=reason MESSAGE=message")
	requestFields   = columns("ID=id KIND=kind ROLE=role PERSON=identity_id REQUESTER=requester DURATION_MS=duration_ms DRY_RUN=dry_run")
)

func (t *tool) approvals() *cobra.Command {
	query := url.Values{}
	var all bool
	list := &cobra.Command{Use: "list", Short: "List requests for a decision: with --as those that person is asked to decide, else all that are open", Args: args(),
		Example: "  joinery approvals list --as 1000\n  joinery approvals list --status granted -o json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := t.ownOnly(query, "status", all); err != nil {
				return err
			}
			p, err := t.list(cmd.Context(), "/approvals", query)
			if err != nil {
				return err
			}
			return t.show(p.Items, approvalColumns)
		}}
	queryFlag(list, query, "status", "open (the default), granted, refused, expired, cancelled or all")
	list.Flags().BoolVar(&all, "all", false, "also those that others decide")
	show := &cobra.Command{Use: "show APPROVAL", Short: "Show one request for a decision, and what happened to it", Args: args("an approval id"),
		Example: "  joinery approvals show act-7k2q",
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := t.get(cmd.Context(), "/approvals/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return t.showWith(answer, approvalFields, "steps", stepColumns)
		}}
	return group("approvals", "Requests for a decision: list, show, approve, deny, delegate", list, show,
		t.vote("approve", "Approve, as the person given by --as", "joinery approvals approve act-7k2q --as 1000 --reason \"needed for the audit\""),
		t.vote("deny", "Deny, as the person given by --as", "joinery approvals deny act-7k2q --as 1000 --reason \"not in this team\""),
		t.vote("delegate", "Let somebody else decide", "joinery approvals delegate act-7k2q --to 1002 --as 1000 --reason \"on leave\""))
}

// act is the body of a vote.
type act struct {
	Reason string `json:"reason"`
	To     string `json:"to,omitempty"`
}

func (t *tool) vote(kind, short, example string) *cobra.Command {
	var body act
	var dryRun bool
	cmd := &cobra.Command{Use: kind + " APPROVAL", Short: short, Args: args("an approval id"), Example: "  " + example}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if kind == "delegate" && body.To == "" {
			return usage("say who shall decide instead with --to PERSON")
		}
		answer, err := t.post(cmd.Context(), "/approvals/"+url.PathEscape(args[0])+"/"+kind, rehearsed(dryRun), body)
		if err != nil {
			return err
		}
		if unseen(answer) {
			t.progress("written; it will be counted in a moment")
		}
		return t.showOne(answer, approvalFields)
	}
	if kind == "delegate" {
		cmd.Flags().StringVar(&body.To, "to", "", "the `PERSON` who decides instead")
	}
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

// ownOnly narrows a list to what the person given by --as may act on, unless all or those of a state are asked for.
func (t *tool) ownOnly(query url.Values, state string, all bool) error {
	as, err := t.setting("as", t.as)
	if err == nil && as != "" && !all && query.Get(state) == "" {
		query.Set("mine", "true")
	}
	return err
}

// unseen says of the answer to a person's word that it is written and does not count yet.
func unseen(answer json.RawMessage) bool {
	var result struct {
		Seen   bool `json:"seen"`
		DryRun bool `json:"dry_run"`
	}
	return json.Unmarshal(answer, &result) == nil && !result.Seen && !result.DryRun
}

func rehearsed(dryRun bool) url.Values {
	if !dryRun {
		return nil
	}
	return url.Values{"dry_run": {"true"}}
}

// accessRequest is the body of a request.
type accessRequest struct {
	Kind     string `json:"kind"`
	Role     string `json:"role"`
	For      string `json:"for"`
	Reason   string `json:"reason"`
	Duration string `json:"duration,omitempty"`
}

func (t *tool) request() *cobra.Command {
	return group("request", "Ask for a change of somebody's roles: grant, revoke, extend",
		t.ask("grant", "Ask for a role"), t.ask("revoke", "Ask for a role to be taken away"), t.ask("extend", "Ask for more time with a role"))
}

func (t *tool) ask(kind, short string) *cobra.Command {
	body := accessRequest{Kind: kind}
	var dryRun bool
	cmd := &cobra.Command{Use: kind + " ROLE", Short: short, Args: args("a role"),
		Example: "  joinery request " + kind + " payments-approver --for 1001 --reason \"quarter end\""}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if body.For == "" {
			return usage("say for whom with --for PERSON")
		}
		body.Role = args[0]
		answer, err := t.post(cmd.Context(), "/requests", rehearsed(dryRun), body)
		if err != nil {
			return err
		}
		return t.showOne(answer, requestFields)
	}
	cmd.Flags().StringVar(&body.For, "for", "", "the `PERSON` it is for")
	if kind != "revoke" {
		cmd.Flags().StringVar(&body.Duration, "duration", "", "how long, such as 30d; as long as policy allows if not given")
	}
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

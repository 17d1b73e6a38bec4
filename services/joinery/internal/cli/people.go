package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

var (
	personColumns   = columns("ID=id NUMBER=employee_number NAME=display_name STATUS=status DEPARTMENT=department EMAIL=email MANAGER=manager")
	personFields    = columns("ID=id NUMBER=employee_number NAME=display_name STATUS=status EMERGENCY=emergency DEPARTMENT=department TITLE=title COMPANY=company LOCATION=location COST_CENTRE=cost_centre WORKER_TYPE=worker_type EMAIL=email USERNAME=username MANAGER=manager START=start END=end TIMEZONE=timezone")
	timelineColumns = columns("OCCURRED=occurred_at KIND=kind TARGET=target ACCOUNT=account ROLE=role ACTOR=actor OUTCOME=outcome REASON=reason MESSAGE=message")
	accessColumns   = columns("ROLE=role TARGET=target ENTITLEMENT=entitlement SINCE=since UNTIL=until")
	caseColumns     = columns("ID=id PERSON=identity_id TRIGGER=trigger SOURCE=source OUTCOME=outcome OPENED=opened_at CLOSED=closed_at ACCESS_MS=event_to_access_ms CHANGES=changes EXCEPTIONS=exceptions")
)

func (t *tool) person() *cobra.Command {
	return group("person", "People: list, show, timeline, access", t.personList(),
		t.onePerson("show", "Show one person", "joinery person show 1001 --as-of 2026-03-02", "", func(cmd *cobra.Command) (url.Values, func(json.RawMessage) error) {
			return asOfFlags(cmd), func(answer json.RawMessage) error { return t.showOne(answer, personFields) }
		}),
		t.onePerson("timeline", "Show what happened to one person, oldest first", "joinery person timeline 1001 --kind provision", "/timeline", t.timelineFlags),
		t.onePerson("access", "Show what one person may use, now or at a time, as it was known at a time",
			"joinery person access 1001 --as-of 2026-03-02 --known-at 2026-03-05T12:00:00Z", "/access", t.accessFlags))
}

func (t *tool) personList() *cobra.Command {
	var status string
	var limit int
	cmd := &cobra.Command{Use: "list [WORD...]", Short: "List people by name; every word must occur in a name, number, mail address or department",
		Example: "  joinery person list berg finance\n  joinery person list --status active -o json",
		RunE: func(cmd *cobra.Command, words []string) error {
			query := url.Values{}
			set(query, "q", strings.Join(words, " "))
			set(query, "status", status)
			items, err := t.all(cmd.Context(), "/persons", query, limit)
			if err != nil {
				return err
			}
			return t.show(items, personColumns)
		}}
	cmd.Flags().StringVar(&status, "status", "", "only prehire, active, leave or ended")
	cmd.Flags().IntVar(&limit, "limit", 0, "at most so many; 0: all")
	return cmd
}

// onePerson is a verb on one person, named by argument or by --by. prepare adds flags; the query it gives is filled when
// they have been read.
func (t *tool) onePerson(name, short, example, path string, prepare func(*cobra.Command) (url.Values, func(json.RawMessage) error)) *cobra.Command {
	var by string
	var query url.Values
	var show func(json.RawMessage) error
	cmd := &cobra.Command{Use: name + " PERSON", Short: short, Example: "  " + example + "\n  joinery person " + name + " --by email=ana.berg@acme.example",
		RunE: func(cmd *cobra.Command, given []string) error {
			who, err := t.who(cmd.Context(), given, by)
			if err != nil {
				return err
			}
			answer, err := t.get(cmd.Context(), "/persons/"+url.PathEscape(who)+path, query)
			if err != nil {
				return err
			}
			return show(answer)
		}}
	query, show = prepare(cmd)
	cmd.Flags().StringVar(&by, "by", "", "name the person by `FIELD=VALUE`: employee_number or email")
	return cmd
}

func (t *tool) timelineFlags(cmd *cobra.Command) (url.Values, func(json.RawMessage) error) {
	query := asOfFlags(cmd)
	queryFlag(cmd, query, "kind", "only that kind, or the part before its dot, such as provision")
	queryFlag(cmd, query, "limit", "the newest so many, up to 1000")
	return query, t.listOf(timelineColumns)
}

func (t *tool) accessFlags(cmd *cobra.Command) (url.Values, func(json.RawMessage) error) {
	return asOfFlags(cmd), t.listOf(accessColumns)
}

// asOfFlags are those of a bitemporal question.
func asOfFlags(cmd *cobra.Command) url.Values {
	query := url.Values{}
	queryFlag(cmd, query, "as-of", "at that time: a date or RFC 3339; default now")
	queryFlag(cmd, query, "known-at", "as it was known at that time; default now")
	return query
}

// listOf shows an answer that is a list.
func (t *tool) listOf(cols []column) func(json.RawMessage) error {
	return func(answer json.RawMessage) error {
		p, err := pageOf(answer)
		if err != nil {
			return err
		}
		return t.show(p.Items, cols)
	}
}

// who is the person an argument or --by names.
func (t *tool) who(ctx context.Context, given []string, by string) (string, error) {
	field, v, ok := strings.Cut(by, "=")
	switch {
	case len(given) == 1 && by == "":
		return given[0], nil
	case len(given) != 0 || by == "":
		return "", usage("name one person: by identity id or employee number, or with --by employee_number=1001")
	case !ok || v == "" || field != "employee_number" && field != "email":
		return "", usage("--by %s: give employee_number=VALUE or email=VALUE", by)
	}
	found, err := t.list(ctx, "/persons", url.Values{field: {v}})
	if err != nil {
		return "", err
	}
	if len(found.Items) != 1 {
		return "", fmt.Errorf("%d people have %s %q; one was expected", len(found.Items), field, v)
	}
	var person struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(found.Items[0], &person); err != nil {
		return "", fmt.Errorf("read the person the pipeline answered: %w", err)
	}
	return person.ID, nil
}

func (t *tool) cases() *cobra.Command {
	query := url.Values{}
	var limit int
	list := &cobra.Command{Use: "list", Short: "List workflows, newest first", Args: args(),
		Example: "  joinery case list --person 1001 --outcome failed",
		RunE: func(cmd *cobra.Command, _ []string) error {
			items, err := t.all(cmd.Context(), "/cases", query, limit)
			if err != nil {
				return err
			}
			return t.show(items, caseColumns)
		}}
	queryFlag(list, query, "person", "whose")
	queryFlag(list, query, "outcome", "open, succeeded, refused, held or failed")
	queryFlag(list, query, "trigger", "such as identity.hire")
	list.Flags().IntVar(&limit, "limit", 0, "at most so many; 0: all")
	show := &cobra.Command{Use: "show CASE", Short: "Show one workflow from its trigger to its last change", Args: args("a case id"),
		Example: "  joinery case show case-2f0c",
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := t.get(cmd.Context(), "/cases/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return t.showWith(answer, caseColumns, "moments", timelineColumns)
		}}
	return group("case", "Workflows: list, show", list, show)
}

// queryFlag makes a flag a parameter of the query; as-of becomes as_of.
func queryFlag(cmd *cobra.Command, query url.Values, name, doc string) {
	cmd.Flags().Func(name, doc, func(v string) error {
		set(query, strings.ReplaceAll(name, "-", "_"), v)
		return nil
	})
}

func set(query url.Values, name, v string) {
	if v != "" {
		query.Set(name, v)
	}
}

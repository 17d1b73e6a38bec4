package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/registry"
	"joinery.internal/pkg/topics"
)

var (
	changeColumns = columns("ACTION=action WHAT=id DETAIL=detail")
	recordColumns = columns("ID=id TIME=time KEY=key VALUE=value FAULT=fault")
)

// change is what a plan would do, or has done, as the console says it too.
type change struct {
	ID     string `json:"id"`
	Action string `json:"action"`
	Detail string `json:"detail"`
}

func (t *tool) topics() *cobra.Command {
	var brokers string
	var dryRun bool
	plan := &cobra.Command{Use: "plan", Short: "List what would be changed to have the topics of this version. Exit 3 if anything", Args: args(),
		Example: "  joinery topics plan\n  joinery topics plan --kafka 127.0.0.1:9092",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.changes(t.topicChanges(cmd.Context(), brokers, false))(true)
		}}
	apply := &cobra.Command{Use: "apply", Short: "Create and adjust topics; never deletes one, never changes a partition count", Args: args(),
		Example: "  joinery topics apply --kafka 127.0.0.1:9092",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.changes(t.topicChanges(cmd.Context(), brokers, !dryRun))(dryRun)
		}}
	rehearsal(apply, &dryRun)
	for _, cmd := range []*cobra.Command{plan, apply} {
		cmd.Flags().StringVar(&brokers, "kafka", "", "`HOST:PORT` of brokers with commas between, to do without a running console")
	}
	query := url.Values{}
	cat := &cobra.Command{Use: "cat TOPIC", Short: "Show the newest records of a topic, oldest first, in plain JSON", Args: args("a topic"),
		Example: "  joinery topics cat jml.identity.event.v1 --limit 5 -o ndjson",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := t.list(cmd.Context(), "/topics/"+url.PathEscape(args[0])+"/cat", query)
			if err != nil {
				return err
			}
			return t.show(p.Items, recordColumns)
		}}
	queryFlag(cat, query, "limit", "how many, up to 1000; default 100")
	return group("topics", "Topics as code: plan, apply, cat", plan, apply, cat)
}

// changes shows a plan; a plan with changes is a finding.
func (t *tool) changes(list []change, err error) func(plan bool) error {
	return func(plan bool) error {
		var items []json.RawMessage
		for _, c := range list {
			item, encodeErr := json.Marshal(c)
			err = errors.Join(err, encodeErr)
			items = append(items, item)
		}
		if err != nil && len(items) == 0 {
			return err
		}
		if showErr := t.show(items, changeColumns); showErr != nil || err != nil {
			return errors.Join(err, showErr)
		}
		if plan && len(items) > 0 {
			return ExitWith(Findings, nil)
		}
		return nil
	}
}

// topicChanges asks the console, or the brokers themselves: a new cluster has no console yet.
func (t *tool) topicChanges(ctx context.Context, brokers string, apply bool) ([]change, error) {
	if brokers == "" {
		method, path := http.MethodGet, "/topics/plan"
		if apply {
			method, path = http.MethodPost, "/topics/apply"
		}
		return t.asked(t.call(ctx, method, path, nil, "", nil))
	}
	specs, err := topics.Load()
	if err != nil {
		return nil, fmt.Errorf("read the list of topics: %w", err)
	}
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(strings.Split(brokers, ",")...))
	if err != nil {
		return nil, usage("--kafka %s: %w", brokers, err)
	}
	defer admin.Close()
	act := topics.Plan
	if apply {
		act = topics.Apply
	}
	found, err := act(ctx, admin, specs)
	out := make([]change, len(found))
	for i, c := range found {
		out[i] = change{c.Topic, string(c.Kind), c.Detail}
	}
	return out, err
}

func (t *tool) asked(answer json.RawMessage, err error) ([]change, error) {
	if err != nil {
		return nil, err
	}
	var found struct {
		Items []change `json:"items"`
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return nil, fmt.Errorf("read the changes the pipeline answered: %w", err)
	}
	return found.Items, nil
}

func (t *tool) schemas() *cobra.Command {
	var address string
	var dryRun bool
	check := &cobra.Command{Use: "check", Short: "Check the schemas of this version among themselves, and against a registry with --registry or --server. Exit 3 if something is wrong", Args: args(),
		Example: "  joinery schemas check\n  joinery schemas check --registry http://127.0.0.1:8081",
		RunE: func(cmd *cobra.Command, _ []string) error {
			var found []change
			for _, p := range registry.CheckAll() {
				found = append(found, change{p.Subject, "incompatible", p.String()})
			}
			var err error
			if given, settingErr := t.setting("server", t.server); settingErr != nil {
				return settingErr
			} else if address != "" || given != "" {
				var plan []change
				plan, err = t.schemaChanges(cmd.Context(), address, false)
				found = append(found, plan...)
			}
			return t.changes(found, err)(true)
		}}
	apply := &cobra.Command{Use: "apply", Short: "Register the schemas of this version, each checked by the registry against those before it", Args: args(),
		Example: "  joinery schemas apply --registry http://127.0.0.1:8081",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return t.changes(t.schemaChanges(cmd.Context(), address, !dryRun))(dryRun)
		}}
	rehearsal(apply, &dryRun)
	for _, cmd := range []*cobra.Command{check, apply} {
		cmd.Flags().StringVar(&address, "registry", "", "`URL` of the registry, to do without a running console")
	}
	return group("schemas", "Schemas as code: check, apply", check, apply)
}

// schemaChanges asks the console, or the registry itself.
func (t *tool) schemaChanges(ctx context.Context, address string, apply bool) ([]change, error) {
	if address == "" {
		path := "/schemas/check"
		if apply {
			path = "/schemas/apply"
		}
		return t.asked(t.post(ctx, path, nil, nil))
	}
	found, err := registry.Apply(ctx, address, !apply)
	out := make([]change, len(found))
	for i, c := range found {
		out[i] = change{c.Subject, c.Action, c.Detail}
	}
	return out, err
}

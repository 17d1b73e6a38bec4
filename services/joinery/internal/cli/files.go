package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/policy"
	"joinery.internal/pkg/target"
)

var (
	settingColumns     = columns("NAME=id VALUE=value")
	originColumns      = columns("NAME=id VALUE=value ORIGIN=origin")
	testColumns        = columns("RESULT=result PLACE=place TEST=name FAILURES=failures")
	publicationColumns = columns("HASH=hash CHANGED=changed DRY_RUN=dry_run")
)

// knobs are the settings of joinery.yaml that the tool and the services share.
var knobs = []config.Knob{
	{Name: "server"},
	{Name: "as", Key: "services.joinery.as"},
	{Name: "http", Default: "127.0.0.1:0"},
	{Name: "kafka", Key: "kafka.brokers", Default: "embedded"},
	{Name: "registry", Key: "registry.url", Default: "embedded"},
	{Name: "clickhouse", Key: "clickhouse.url", Default: "embedded"},
	{Name: "data"},
	{Name: "timezone", Default: "UTC"},
	{Name: "log.level", Default: "info"},
	{Name: "log.format", Default: "text"},
}

// setting is one of them, as `config show` writes it.
type setting struct {
	ID     string `json:"id"`
	Value  string `json:"value"`
	Origin string `json:"origin,omitempty"`
}

// finding is one fault of a file.
type finding struct {
	ID      string `json:"id"` // file:line:column
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
}

func (t *tool) config() *cobra.Command {
	var origin bool
	show := &cobra.Command{Use: "show", Short: "Show the settings that hold: flag over JOINERY_* over joinery.yaml over default", Args: args(),
		Example: "  joinery config show --origin",
		RunE: func(*cobra.Command, []string) error {
			settings, err := t.settings()
			if err != nil {
				return err
			}
			flags := map[string]string{}
			for name, v := range map[string]string{"server": t.server, "as": t.as} {
				if v != "" {
					flags[name] = v
				}
			}
			var items []setting
			for _, s := range config.Resolve(knobs, flags, t.env, settings) {
				item := setting{ID: s.Name, Value: redacted(s.Value)}
				if origin {
					item.Origin = s.Origin
				}
				items = append(items, item)
			}
			if origin {
				return showAll(t, items, originColumns)
			}
			return showAll(t, items, settingColumns)
		}}
	show.Flags().BoolVar(&origin, "origin", false, "also where each value comes from")
	check := t.checkFiles("check", "Check sources, targets and policy of a folder; every fault with file:line:column. Exit 3 if there is one", "joinery config check deploy/examples/acme")
	return group("config", "Files of a folder, and settings: check, show", check, show)
}

// redacted hides a password in an address.
func redacted(v string) string {
	if u, err := url.Parse(v); err == nil && u.User != nil {
		return u.Redacted()
	}
	return v
}

// showAll writes values of our own as a list.
func showAll[T any](t *tool, values []T, cols []column) error {
	items := make([]json.RawMessage, len(values))
	for i, v := range values {
		var err error
		if items[i], err = json.Marshal(v); err != nil {
			return fmt.Errorf("write list: %w", err)
		}
	}
	return t.show(items, cols)
}

// checkFiles is a verb that compiles a folder.
func (t *tool) checkFiles(name, short, example string) *cobra.Command {
	return &cobra.Command{Use: name + " DIR", Short: short, Args: args("a folder"), Example: "  " + example,
		RunE: func(_ *cobra.Command, args []string) error {
			return t.compile(args[0])
		}}
}

// compile reads and compiles a folder. Faults are shown, and are findings.
func (t *tool) compile(dir string) error {
	cfg, loadErr := config.LoadDir(dir)
	_, err := policy.Check(cfg, loadErr)
	if err == nil {
		err = target.Faults(cfg.Targets).Err()
	}
	faults, wrong := errors.AsType[config.Faults](err)
	if err != nil && !wrong {
		return err
	}
	if t.output == "table" {
		for _, f := range faults {
			fmt.Fprintln(t.out, f.Error())
		}
	} else {
		found := make([]finding, len(faults))
		for i, f := range faults {
			found[i] = finding{fmt.Sprintf("%s:%d:%d", f.File, f.Line, f.Column), f.File, f.Line, f.Column, f.Message}
		}
		if err := showAll(t, found, nil); err != nil {
			return err
		}
	}
	if wrong {
		return ExitWith(Findings, nil)
	}
	t.progress("%d files, no faults", len(cfg.Files))
	return nil
}

func (t *tool) policy() *cobra.Command {
	test := &cobra.Command{Use: "test DIR", Short: "Run the tests that the policy files hold. Exit 3 if one fails", Args: args("a folder"),
		Example: "  joinery policy test deploy/examples/acme",
		RunE:    func(_ *cobra.Command, args []string) error { return t.runTests(args[0]) }}
	return group("policy", "Policy as code: check, test, explain, simulate, diff, publish",
		t.checkFiles("check", "Compile everything, or say every fault with file:line:column. Exit 3 if there is one", "joinery policy check deploy/examples/acme"),
		test, t.explain(), t.simulate(), t.diff(), t.publish())
}

// testResult is one test of a policy.
type testResult struct {
	ID       string   `json:"id"`
	Place    string   `json:"place"` // file:line:column
	Policy   string   `json:"policy"`
	Name     string   `json:"name"`
	Result   string   `json:"result"` // ok, failed
	Failures []string `json:"failures"`
}

func (t *tool) runTests(dir string) error {
	cfg, loadErr := config.LoadDir(dir)
	bundle, err := policy.Check(cfg, loadErr)
	if err != nil {
		return fmt.Errorf("the folder has faults, so its tests cannot run:\n%w", err)
	}
	results, failed := []testResult{}, false
	for _, r := range bundle.Test() {
		out := testResult{ID: r.Policy + "/" + r.Name, Place: fmt.Sprintf("%s:%d:%d", r.File, r.Line, r.Column), Policy: r.Policy, Name: r.Name,
			Result: "ok", Failures: append([]string{}, r.Failures...)}
		if !r.Passed {
			out.Result, failed = "failed", true
		}
		results = append(results, out)
	}
	if err := showAll(t, results, testColumns); err != nil {
		return err
	}
	if failed {
		return ExitWith(Findings, nil)
	}
	return nil
}

// publication is the body of publishing a folder.
type publication struct {
	Files  map[string]string `json:"files"`
	Reason string            `json:"reason"`
}

func (t *tool) publish() *cobra.Command {
	body := publication{Files: map[string]string{}}
	var dryRun bool
	cmd := &cobra.Command{Use: "publish DIR", Short: "Check, test and put a folder of policy in force, in every partition", Args: args("a folder"),
		Example: "  joinery policy publish deploy/examples/acme --reason \"shorter grace, ticket 4711\""}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		answer, err := t.send(cmd.Context(), args[0], body, dryRun)
		if err != nil {
			return err
		}
		return t.showOne(answer, publicationColumns)
	}
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

func (t *tool) send(ctx context.Context, dir string, body publication, dryRun bool) (json.RawMessage, error) {
	cfg, loadErr := config.LoadDir(dir)
	if _, err := policy.Check(cfg, loadErr); err != nil {
		return nil, fmt.Errorf("nothing was published, for the folder has faults:\n%w", err)
	}
	for _, f := range cfg.Files {
		body.Files[f.Name] = string(f.Data)
	}
	return t.post(ctx, "/policy/publish", rehearsed(dryRun), body)
}

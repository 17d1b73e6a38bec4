// Package cli is the command-line tool: every verb that talks to a running pipeline, and those that check files.
//
// It owns words, flags, output and exit codes. It owns no rules of the pipeline: what a verb shows or changes goes
// through the console's API, and what is checked in files is checked by pkg/config and pkg/policy. Data goes to stdout;
// progress to stderr, and only on a terminal; errors to stderr, one sentence that says what to do.
//
// A command tree serves one invocation, on one goroutine.
//
//	root := cli.Root(devCommand, demoCommand)
//	os.Exit(cli.Execute(ctx, root, os.Args[1:]))
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"joinery.internal/pkg/config"
)

// Exit codes (design: contract.md).
const (
	Done     = 0
	Failed   = 1
	Usage    = 2
	Findings = 3 // a check found something, a plan has changes
	Partly   = 4
)

// exitError ends the tool with a code. A nil Err has been said already, in the data.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &exitError{Usage, fmt.Errorf(format, args...)}
}

// ExitWith is an error that ends the tool with that code; err may be nil when everything has been said.
func ExitWith(code int, err error) error { return &exitError{code, err} }

// tool is one invocation.
type tool struct {
	server string
	output string
	as     string
	file   string // of settings
	out    io.Writer
	errOut io.Writer
	env    func(string) (string, bool)
}

// Root builds the tool; extra are verbs that other packages own, such as dev.
func Root(extra ...*cobra.Command) *cobra.Command {
	t := &tool{env: os.LookupEnv}
	root := group("joinery", "Joiner-mover-leaver identity processes as one event-driven pipeline")
	root.SilenceErrors, root.SilenceUsage = true, true
	root.Long = root.Short + `.

The tool finds a pipeline by --server or JOINERY_SERVER, by "server" in joinery.yaml, or as the running "joinery dev"
of this user. A person is named by identity id or employee number.

Exit codes: 0 done, 1 failed, 2 usage, 3 findings (a check found something, a plan has changes), 4 partly done.`
	flags := root.PersistentFlags()
	flags.StringVar(&t.server, "server", "", "the console's `URL`; also JOINERY_SERVER")
	flags.StringVarP(&t.output, "output", "o", "table", "table, json, ndjson or yaml")
	flags.StringVar(&t.as, "as", "", "act as that `PERSON` (demo logins only)")
	flags.StringVar(&t.file, "config", config.SettingsFile, "`FILE` with settings; no fault if it is not there")
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		t.out, t.errOut = cmd.OutOrStdout(), cmd.ErrOrStderr()
		if !slices.Contains(formats, t.output) {
			return usage("-o %s: give one of %s", t.output, strings.Join(formats, ", "))
		}
		return nil
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w; `%s --help` shows what it takes", err, cmd.CommandPath())
	})
	root.AddCommand(t.produce(), t.person(), t.cases(), t.request(), t.approvals(), t.emergency(), t.deadLetters(), t.replay(), t.guard(), t.ticket(), t.quarantine(), t.target(), t.kpi(), t.sql(), t.export(), t.verify(), t.status(),
		t.clock(), t.topics(), t.schemas(), t.policy(), t.config())
	root.AddCommand(extra...)
	return root
}

// Execute runs the tool and returns its exit code.
func Execute(ctx context.Context, root *cobra.Command, args []string) int {
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return Done
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{Failed, err}
	}
	if exit.err != nil {
		fmt.Fprintf(root.ErrOrStderr(), "joinery: %v\n", err)
	}
	return exit.code
}

// group is a verb that only holds others.
func group(name, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: name, Short: short, Args: cobra.ArbitraryArgs, RunE: func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			var known []string
			for _, c := range cmd.Commands() {
				known = append(known, c.Name())
			}
			return usage("there is no verb %q%s", path(cmd)+args[0], config.DidYouMean(args[0], known))
		}
		if cmd.HasParent() {
			cmd.SetOut(cmd.ErrOrStderr())
			return errors.Join(cmd.Help(), usage("%s: name a verb", cmd.Name()))
		}
		return cmd.Help()
	}}
	cmd.AddCommand(verbs...)
	return cmd
}

// path is the verb as it is written after "joinery", with a space behind it.
func path(cmd *cobra.Command) string {
	_, verbs, _ := strings.Cut(cmd.CommandPath(), " ")
	if verbs != "" {
		verbs += " "
	}
	return verbs
}

// args demands a number of arguments and says which.
func args(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, got []string) error {
		if len(got) != len(names) {
			return usage("%stakes %s; %d given. For example:\n%s", path(cmd), wanted(names), len(got), cmd.Example)
		}
		return nil
	}
}

func wanted(names []string) string {
	if len(names) == 0 {
		return "no argument"
	}
	return strings.Join(names, " and ")
}

// why adds the flag of verbs that write evidence, which is required.
func why(cmd *cobra.Command, reason *string) {
	cmd.Flags().StringVar(reason, "reason", "", "`why`; it becomes evidence")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if strings.TrimSpace(*reason) == "" {
			return usage("%swrites evidence: say why with --reason TEXT", path(cmd))
		}
		return run(cmd, args)
	}
}

// rehearsal adds the flag of verbs that change something.
func rehearsal(cmd *cobra.Command, dryRun *bool) {
	cmd.Flags().BoolVar(dryRun, "dry-run", false, "check everything, change nothing")
}

// progress tells a person that something takes time. Programs see nothing of it.
func (t *tool) progress(format string, args ...any) {
	f, ok := t.errOut.(*os.File)
	if !ok {
		return
	}
	if info, err := f.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return
	}
	fmt.Fprintf(f, format+"\n", args...)
}

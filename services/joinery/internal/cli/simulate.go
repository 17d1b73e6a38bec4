package cli

import (
	"encoding/json"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/policy"
)

var (
	explanationColumns = columns("ROLE=id REASON=reason RULE=rule VALUES=values GRANTS=grants SINCE=since UNTIL=until")
	simulationFields   = columns("PEOPLE=people AFFECTED=affected CONFLICTS=conflicts ROLES=roles GUARDS=guards")
	hindsightFields    = columns("EVENTS=events AFFECTED=affected ROLES=roles")
	revisitedColumns   = columns("EVENT=id AT=at KIND=kind PERSON=person GAINS=gains LOSES=loses KEEPS=keeps FAULT=fault")
	simulatedColumns   = columns("PERSON=id NAME=name GAINS=gains LOSES=loses ADDS=adds REMOVES=removes CONFLICTS=conflicts FAULT=fault")
)

func (t *tool) explain() *cobra.Command {
	return &cobra.Command{Use: "explain PERSON", Short: "Say of each role one person has which rule gave it, where that is written, and what it read", Args: args("a person"),
		Example: "  joinery policy explain 1001",
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := t.list(cmd.Context(), "/persons/"+url.PathEscape(args[0])+"/explanation", nil)
			if err != nil {
				return err
			}
			return t.show(p.Items, explanationColumns)
		}}
}

// simulation is the body of trying a folder.
type simulation struct {
	Files map[string]string `json:"files"`
	Base  map[string]string `json:"base,omitempty"`
}

func (t *tool) simulate() *cobra.Command {
	var dir string
	var history bool
	query := url.Values{}
	cmd := &cobra.Command{Use: "simulate", Args: args(),
		Short:   "Decide everybody who is here, or what has happened to them, by a folder of policy: who gains and loses what, which guards would trip. Exit 3 if anybody does",
		Example: "  joinery policy simulate --policy deploy/examples/acme\n  joinery policy simulate --policy deploy/examples/acme --history --since 90d"}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		switch {
		case dir == "":
			return usage("say which folder with --policy DIR")
		case history:
			return t.try(cmd, trial{dir: dir, path: "/policy/lookback", query: query, fields: hindsightFields, items: revisitedColumns})
		case len(query) > 0:
			return usage("--since goes with --history: without it, everybody who is here is decided as of now")
		}
		return t.try(cmd, trial{dir: dir, path: "/policy/simulate", fields: simulationFields, items: simulatedColumns})
	}
	cmd.Flags().StringVar(&dir, "policy", "", "the `DIR` that would be published")
	cmd.Flags().BoolVar(&history, "history", false, "decide past events anew, each by itself")
	queryFlag(cmd, query, "since", "with --history: a time, or a duration such as 90d; default 30d")
	return cmd
}

func (t *tool) diff() *cobra.Command {
	return &cobra.Command{Use: "diff A B", Short: "Compare two folders of policy over everybody who is here: what B changes against A. Exit 3 if anything", Args: args("a folder", "another"),
		Example: "  joinery policy diff policy-of-today policy-of-tomorrow",
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.try(cmd, trial{dir: args[1], base: args[0], path: "/policy/simulate", fields: simulationFields, items: simulatedColumns})
		}}
}

// trial is a folder to decide by, and how the answer is asked for and shown.
type trial struct {
	dir, base     string // base: compared with; empty: the policy in force
	path          string
	query         url.Values
	fields, items []column
}

// try shows what a folder would do.
func (t *tool) try(cmd *cobra.Command, w trial) error {
	var body simulation
	var err error
	if body.Files, err = contents(w.dir); err != nil {
		return err
	}
	if w.base != "" {
		if body.Base, err = contents(w.base); err != nil {
			return err
		}
	}
	answer, err := t.post(cmd.Context(), w.path, w.query, body)
	if err != nil {
		return err
	}
	if err := t.showWith(answer, w.fields, "items", w.items); err != nil {
		return err
	}
	var result struct{ Affected int }
	if err := json.Unmarshal(answer, &result); err != nil {
		return fmt.Errorf("read what the pipeline answered: %w", err)
	}
	if result.Affected > 0 {
		return ExitWith(Findings, nil)
	}
	return nil
}

// contents are the files of a folder that has no faults.
func contents(dir string) (map[string]string, error) {
	cfg, loadErr := config.LoadDir(dir)
	if _, err := policy.Check(cfg, loadErr); err != nil {
		return nil, fmt.Errorf("%s has faults:\n%w", dir, err)
	}
	files := map[string]string{}
	for _, f := range cfg.Files {
		files[f.Name] = string(f.Data)
	}
	return files, nil
}

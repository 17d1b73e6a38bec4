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
	cmd := &cobra.Command{Use: "simulate", Short: "Decide everybody who is here by a folder of policy: who gains and loses what, which guards would trip. Exit 3 if anybody does", Args: args(),
		Example: "  joinery policy simulate --policy deploy/examples/acme"}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if dir == "" {
			return usage("say which folder with --policy DIR")
		}
		return t.try(cmd, dir, "")
	}
	cmd.Flags().StringVar(&dir, "policy", "", "the `DIR` that would be published")
	return cmd
}

func (t *tool) diff() *cobra.Command {
	return &cobra.Command{Use: "diff A B", Short: "Compare two folders of policy over everybody who is here: what B changes against A. Exit 3 if anything", Args: args("a folder", "another"),
		Example: "  joinery policy diff policy-of-today policy-of-tomorrow",
		RunE:    func(cmd *cobra.Command, args []string) error { return t.try(cmd, args[1], args[0]) }}
}

// try shows what a folder would do, against another or the policy in force.
func (t *tool) try(cmd *cobra.Command, dir, base string) error {
	var body simulation
	var err error
	if body.Files, err = contents(dir); err != nil {
		return err
	}
	if base != "" {
		if body.Base, err = contents(base); err != nil {
			return err
		}
	}
	answer, err := t.post(cmd.Context(), "/policy/simulate", nil, body)
	if err != nil {
		return err
	}
	if err := t.showWith(answer, simulationFields, "items", simulatedColumns); err != nil {
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

package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"

	"github.com/spf13/cobra"
)

var (
	verifyFields = columns("ROWS=rows CHAINS=chains SEALED=sealed WHOLE=whole")
	badColumns   = columns("EVENT=id TOPIC=topic PARTITION=partition OFFSET=offset SERVICE=service SEQ=seq FAULT=fault")
)

func (t *tool) verify() *cobra.Command {
	return &cobra.Command{Use: "verify", Short: "Prove from ClickHouse and signed checkpoints alone that the evidence is complete and unaltered, or name the first bad row of each chain. Exit 3 if there is one", Args: args(),
		Example: "  joinery verify",
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := t.get(cmd.Context(), "/verify", nil)
			if err != nil {
				return err
			}
			if err := t.showWith(answer, verifyFields, "faults", badColumns); err != nil {
				return err
			}
			var result struct{ Whole bool }
			if err := json.Unmarshal(answer, &result); err != nil {
				return fmt.Errorf("read what the audit answered: %w", err)
			}
			if !result.Whole {
				return ExitWith(Findings, nil)
			}
			return nil
		}}
}

func (t *tool) export() *cobra.Command {
	query := url.Values{}
	var file string
	cmd := &cobra.Command{Use: "export", Short: "Take evidence away as JSON lines, oldest first: every column, and the bytes that its hash was made of", Args: args(),
		Example: "  joinery export --since 2026-03-01 --until 2026-04-01 --file march.ndjson\n  joinery export --person 1001 | jq .kind",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return t.pour(cmd.Context(), "/export", query, t.out)
			}
			return intoFile(file, func(out io.Writer) error { return t.pour(cmd.Context(), "/export", query, out) })
		}}
	queryFlag(cmd, query, "person", "whose: identity id or employee number")
	queryFlag(cmd, query, "case", "of that workflow")
	queryFlag(cmd, query, "kind", "a kind of evidence, or the part before its dot")
	queryFlag(cmd, query, "since", "what occurred then or later: a time such as 2026-03-02T08:00:00Z, or a date")
	queryFlag(cmd, query, "until", "and before that")
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` to write, which is there only once it is whole; standard output if not given")
	return cmd
}

package cli

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"
)

var (
	verifyFields = columns("ROWS=rows CHAINS=chains WHOLE=whole")
	badColumns   = columns("EVENT=id TOPIC=topic PARTITION=partition OFFSET=offset SERVICE=service SEQ=seq FAULT=fault")
)

func (t *tool) verify() *cobra.Command {
	return &cobra.Command{Use: "verify", Short: "Prove from ClickHouse alone that the evidence is complete and unaltered, or name the first bad row of each chain. Exit 3 if there is one", Args: args(),
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

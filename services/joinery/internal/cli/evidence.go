package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"joinery.internal/pkg/evidence"
)

func (t *tool) kpi() *cobra.Command {
	var since string
	cmd := &cobra.Command{Use: "kpi", Short: "Show the pipeline's figures: success rate, time from event to access, exceptions, time to remediate", Args: args(),
		Example: "  joinery kpi --since 7d",
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := t.get(cmd.Context(), "/kpi", url.Values{"since": {since}})
			if err != nil {
				return err
			}
			if t.output != "table" {
				return t.showOne(answer, nil)
			}
			var table evidence.KPITable
			if err := json.Unmarshal(answer, &table); err != nil {
				return fmt.Errorf("read the figures the pipeline answered: %w", err)
			}
			return WriteKPI(t.out, table)
		}}
	cmd.Flags().StringVar(&since, "since", "30d", "over the time up to now")
	return cmd
}

// WriteKPI writes the figures as a table for people.
func WriteKPI(out io.Writer, table evidence.KPITable) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "since %s UTC\n\n", table.Since.UTC().Format("2006-01-02 15:04"))
	fmt.Fprintln(w, "TRIGGER\tCLOSED\tSUCCEEDED\tFIRST TIME\tREFUSED\tFAILED\tOPEN\tACCESS P50\tACCESS P95\tEXCEPTIONS\tMTTR")
	all := table.Overall
	all.Trigger = "all"
	for _, k := range append([]evidence.KPI{all}, table.ByTrigger...) {
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%d\t%d\t%s\t%s\t%d\t%s\n", strings.TrimPrefix(k.Trigger, "identity."), k.Closed, percent(k.SuccessRate), percent(k.FirstTimeSuccessRate),
			k.Refused, k.Failed, k.Open, whole(k.EventToAccessP50), whole(k.EventToAccessP95), k.Exceptions, mean(k.MTTR))
	}
	if all.TimeToRevokeP95 != nil {
		fmt.Fprintf(w, "\ntime to revoke, p95: %s\n", whole(all.TimeToRevokeP95))
	}
	if len(table.Exceptions) > 0 {
		fmt.Fprintln(w, "\nEXCEPTION\tOPENED\tUNRESOLVED")
		for _, e := range table.Exceptions {
			fmt.Fprintf(w, "%s\t%d\t%d\n", e.Class, e.Opened, e.Unresolved)
		}
	}
	leavers := fmt.Sprint(table.LeaversWithAccess.Count)
	if oldest := table.LeaversWithAccess.Oldest; oldest != nil {
		leavers += ", the first left " + oldest.UTC().Format(time.RFC3339)
	}
	fmt.Fprintf(w, "\nleavers who still have access: %s\n", leavers)
	return w.Flush()
}

func percent(rate *float64) string {
	if rate == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", 100**rate)
}

func whole(ms *int64) string {
	if ms == nil {
		return "-"
	}
	return brief(time.Duration(*ms) * time.Millisecond)
}

func mean(ms *float64) string {
	if ms == nil {
		return "-"
	}
	return brief(time.Duration(*ms * float64(time.Millisecond)))
}

func brief(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}

// sqlRequest is the body of a question to the evidence.
type sqlRequest struct {
	Query string `json:"query"`
}

func (t *tool) sql() *cobra.Command {
	return &cobra.Command{Use: "sql QUERY", Short: "Query the evidence in ClickHouse, read only; - reads the query from standard input", Args: args("a query"),
		Example: "  joinery sql \"SELECT kind, count() AS n FROM evidence GROUP BY kind ORDER BY n DESC\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			query := args[0]
			if query == "-" {
				b, err := io.ReadAll(cmd.InOrStdin())
				if err != nil {
					return fmt.Errorf("read query: %w", err)
				}
				query = string(b)
			}
			answer, err := t.post(cmd.Context(), "/sql", nil, sqlRequest{query})
			if err != nil {
				return err
			}
			var table struct {
				Columns []string          `json:"columns"`
				Items   []json.RawMessage `json:"items"`
			}
			if err := json.Unmarshal(answer, &table); err != nil {
				return fmt.Errorf("read the rows the pipeline answered: %w", err)
			}
			cols := make([]column, len(table.Columns))
			for i, name := range table.Columns {
				cols[i] = column{name, name}
			}
			return t.show(table.Items, cols)
		}}
}

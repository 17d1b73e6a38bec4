package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

var (
	remedyFields = columns("ID=id TOPIC=topic FILTER=filter COUNT=count")
	pauseFields  = columns("ID=id PAUSED=paused")
)

// remedyRequest is the body of what is done about a dead letter, and of pausing a target.
type remedyRequest struct {
	Reason string          `json:"reason"`
	Value  json.RawMessage `json:"value,omitempty"`
}

func (t *tool) replayLetter() *cobra.Command {
	var body remedyRequest
	var file string
	var dryRun bool
	cmd := &cobra.Command{Use: "replay ID", Short: "Have the record of a dead letter handled again, as it is or corrected; its idempotency key stays", Args: args("an id"),
		Example: "  joinery dlq replay ex-1f2e --as 1000 --reason \"the schema is registered now\"\n  joinery dlq replay ex-1f2e --as 1000 --value corrected.json --reason \"a date was misspelt\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			if file != "" {
				in, err := input(cmd.InOrStdin(), file)
				if err != nil {
					return err
				}
				value, err := io.ReadAll(in)
				if err = errors.Join(err, in.Close()); err != nil {
					return fmt.Errorf("read the corrected record: %w", err)
				}
				body.Value = value
			}
			return t.remedy(cmd, "/dlq/"+url.PathEscape(args[0])+"/replay", dryRun, body, remedyFields)
		}}
	cmd.Flags().StringVar(&file, "value", "", "`FILE` with the corrected record as JSON")
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

func (t *tool) discardLetter() *cobra.Command {
	var body remedyRequest
	var dryRun bool
	cmd := &cobra.Command{Use: "discard ID", Short: "Say that nothing is to be done about a dead letter", Args: args("an id"),
		Example: "  joinery dlq discard ex-1f2e --as 1000 --reason \"a test record of the vendor\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.remedy(cmd, "/dlq/"+url.PathEscape(args[0])+"/discard", dryRun, body, remedyFields)
		}}
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

// remedy posts what is to be done and shows what was.
func (t *tool) remedy(cmd *cobra.Command, path string, dryRun bool, body any, fields []column) error {
	answer, err := t.post(cmd.Context(), path, rehearsed(dryRun), body)
	if err != nil {
		return err
	}
	return t.showOne(answer, fields)
}

func (t *tool) pauseTarget(verb, short string) *cobra.Command {
	var body remedyRequest
	var dryRun bool
	cmd := &cobra.Command{Use: verb + " TARGET", Short: short, Args: args("a target"),
		Example: "  joinery target " + verb + " chat --as 1000 --reason \"their upgrade\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return t.remedy(cmd, "/targets/"+url.PathEscape(args[0])+"/"+verb, dryRun, body, pauseFields)
		}}
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

// replayRequest is the body of having records handled again.
type replayRequest struct {
	Topic  string    `json:"topic"`
	From   time.Time `json:"from,omitzero"`
	To     time.Time `json:"to,omitzero"`
	Where  string    `json:"where,omitempty"`
	Reason string    `json:"reason"`
}

func (t *tool) replay() *cobra.Command {
	var body replayRequest
	var from, to string
	var yes, dryRun bool
	cmd := &cobra.Command{Use: "replay --topic TOPIC", Short: "Have records handled again that were written in a time; their idempotency keys stay. Says how many, and wants --yes", Args: args(),
		Example: "  joinery replay --topic jml.source.record.v1 --from 2026-03-02 --to 2026-03-03 --where 'record.source == \"hr\"' --as 1000 --reason \"an outage\"",
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		var err error
		if body.Topic == "" {
			return usage("name the topic with --topic, such as jml.source.record.v1")
		}
		if body.From, err = instantOf("from", from); err != nil {
			return err
		}
		if body.To, err = instantOf("to", to); err != nil {
			return err
		}
		if err := t.remedy(cmd, "/replays", dryRun || !yes, body, remedyFields); err != nil {
			return err
		}
		if !yes && !dryRun {
			return usage("nothing has been written: so many records would be; say so with --yes")
		}
		return nil
	}
	f := cmd.Flags()
	f.StringVar(&body.Topic, "topic", "", "the `TOPIC`")
	f.StringVar(&from, "from", "", "written then or later: a `TIME` or date")
	f.StringVar(&to, "to", "", "written before: a `TIME` or date")
	f.StringVar(&body.Where, "where", "", "`CEL` over record, key and at")
	f.BoolVar(&yes, "yes", false, "do it")
	why(cmd, &body.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

// instantOf reads a time of a flag: RFC 3339, or a date, which means its first moment in UTC.
func instantOf(flag, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, usage("--%s %s: give a time such as 2026-03-02T08:00:00Z or a date such as 2026-03-02", flag, text)
}

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
	bulkFields   = columns("ID=id FILTER=filter COUNT=count FAILURES=failures MORE=more")
	pauseFields  = columns("ID=id PAUSED=paused")
)

// remedyRequest is the body of what is done about a dead letter, and of pausing a target.
type remedyRequest struct {
	Reason string          `json:"reason"`
	Value  json.RawMessage `json:"value,omitempty"`
}

// letterChoice is the body of what is done about several dead letters: those named, or the open ones that fit.
type letterChoice struct {
	IDs    []string `json:"ids,omitempty"`
	Class  string   `json:"class,omitempty"`
	Topic  string   `json:"topic,omitempty"`
	Where  string   `json:"where,omitempty"`
	Reason string   `json:"reason"`
}

func (c letterChoice) filtered() bool { return c.Class != "" || c.Topic != "" || c.Where != "" }

func (t *tool) replayLetter() *cobra.Command {
	var file string
	cmd := t.letterVerb("replay", "Have the records of dead letters handled again, as they are or (one) corrected; their idempotency keys stay. Several want --yes",
		"  joinery dlq replay ex-1f2e --as 1000 --value corrected.json --reason \"a date was misspelt\"\n"+
			"  joinery dlq replay --class unknown_schema --where 'letter.service == \"ingest\"' --as 1000 --yes --reason \"the schema is registered now\"",
		func(cmd *cobra.Command) (json.RawMessage, error) {
			if file == "" {
				return nil, nil
			}
			in, err := input(cmd.InOrStdin(), file)
			if err != nil {
				return nil, err
			}
			value, err := io.ReadAll(in)
			if err = errors.Join(err, in.Close()); err != nil {
				return nil, fmt.Errorf("read the corrected record: %w", err)
			}
			return value, nil
		})
	cmd.Flags().StringVar(&file, "value", "", "`FILE` with the corrected record as JSON, of one letter")
	return cmd
}

func (t *tool) discardLetter() *cobra.Command {
	return t.letterVerb("discard", "Say that nothing is to be done about dead letters. Several want --yes",
		"  joinery dlq discard ex-1f2e --as 1000 --reason \"a test record of the vendor\"\n"+
			"  joinery dlq discard --topic jml.source.record.v1 --class decode --as 1000 --yes --reason \"test records of the vendor\"",
		func(*cobra.Command) (json.RawMessage, error) { return nil, nil })
}

// letterVerb does something about one dead letter, several, or all that fit. corrected gives the value to replay instead, for
// one letter.
func (t *tool) letterVerb(verb, short, example string, corrected func(*cobra.Command) (json.RawMessage, error)) *cobra.Command {
	var choice letterChoice
	var yes, dryRun bool
	cmd := &cobra.Command{Use: verb + " [ID...]", Short: short, Example: example, Args: cobra.ArbitraryArgs}
	cmd.RunE = func(cmd *cobra.Command, ids []string) error {
		value, err := corrected(cmd)
		switch {
		case err != nil:
			return err
		case len(ids) == 0 && !choice.filtered():
			return usage("dlq %s takes ids, or --class, --topic, --where. For example:\n%s", verb, example)
		case value != nil && (len(ids) != 1 || choice.filtered()):
			return usage("--value corrects one record: name one letter")
		case len(ids) == 1 && !choice.filtered():
			return t.remedy(cmd, "/dlq/"+url.PathEscape(ids[0])+"/"+verb, dryRun, remedyRequest{Reason: choice.Reason, Value: value}, remedyFields)
		}
		choice.IDs = ids
		return t.bulk(cmd, "/dlq/"+verb, choice, yes, dryRun)
	}
	f := cmd.Flags()
	f.StringVar(&choice.Class, "class", "", "open letters of this `CLASS`, such as decode")
	f.StringVar(&choice.Topic, "topic", "", "open letters about records of this `TOPIC`")
	f.StringVar(&choice.Where, "where", "", "open letters of which `CEL` is true: over letter (class, service, topic, message, target, ...), record, key and at")
	f.BoolVar(&yes, "yes", false, "do it about more than one")
	why(cmd, &choice.Reason)
	rehearsal(cmd, &dryRun)
	return cmd
}

// bulk says how many it would be, and does it: about more than one only with yes.
func (t *tool) bulk(cmd *cobra.Command, path string, choice letterChoice, yes, dryRun bool) error {
	if !yes && !dryRun {
		answer, err := t.post(cmd.Context(), path, rehearsed(true), choice)
		if err != nil {
			return err
		}
		var found struct {
			Count int `json:"count"`
		}
		if err := json.Unmarshal(answer, &found); err != nil {
			return fmt.Errorf("read how many it would be: %w", err)
		}
		if found.Count > 1 {
			return errors.Join(t.showOne(answer, bulkFields), usage("nothing has been done: it would be about %d letters; say so with --yes", found.Count))
		}
	}
	answer, err := t.post(cmd.Context(), path, rehearsed(dryRun), choice)
	if err != nil {
		return err
	}
	var done struct {
		Count    int      `json:"count"`
		Failures []string `json:"failures"`
	}
	if err := errors.Join(t.showOne(answer, bulkFields), json.Unmarshal(answer, &done)); err != nil {
		return err
	}
	switch {
	case len(done.Failures) > 0 && done.Count == 0:
		return ExitWith(Failed, nil)
	case len(done.Failures) > 0:
		return ExitWith(Partly, nil)
	}
	return nil
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

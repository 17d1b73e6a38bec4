package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

var (
	deadLetterColumns = columns("ID=id CLASS=class SERVICE=service TOPIC=topic PARTITION=partition OFFSET=offset TARGET=target OPENED=opened_at RESOLVED=resolved_at MESSAGE=message")
	targetColumns     = columns("ID=id CONNECTOR=connector ENTITLEMENTS=entitlements OWNER=owner PAUSED=paused ACCOUNTS=accounts FAILED_24H=failed_24h LAST_APPLIED=last_applied LAST_SWEPT=last_swept")
	findingColumns    = columns("LEVEL=level WHAT=id MESSAGE=message")
	sweepFields       = columns("ID=id TARGET=target OUTCOME=outcome COMPARED=compared PARTITIONS=partitions FAILURES=failures")
	driftColumns      = columns("KIND=kind CLASS=class ACTION=action PERSON=identity_id ACCOUNT=account ITEMS=items MESSAGE=message")
	statusFields      = columns("STATE=state NOW=now POLICY=policy PEOPLE=people APPROVALS_OPEN=approvals_open TICKETS_OPEN=tickets_open CASES_OPEN=evidence.cases_open HELD=evidence.held EXCEPTIONS_OPEN=evidence.exceptions_open DEAD_LETTERS=evidence.dead_letters_open EVIDENCE_ROWS=evidence.rows LAST_EVENT=evidence.last_occurred_at LAST_STORED=evidence.last_stored_at SILENT=silent FAULTS=faults")
	lagColumns        = columns("GROUP=id STATE=state MEMBERS=members BEHIND=records")
	clockFields       = columns("NOW=now MOVABLE=movable")
)

func (t *tool) produce() *cobra.Command {
	var topic, file string
	var dryRun bool
	cmd := &cobra.Command{Use: "produce --topic TOPIC", Short: "Write JSON lines to a topic that source systems write to, all or none; prints {\"produced\":N}", Args: args(),
		Example: "  joinery produce --topic jml.source.record.v1 --file hires.ndjson\n  generate-hires | joinery produce --topic jml.source.record.v1",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if topic == "" {
				return usage("name the topic with --topic, such as jml.source.record.v1")
			}
			in, err := input(cmd.InOrStdin(), file)
			if err != nil {
				return err
			}
			query := url.Values{"topic": {topic}}
			if dryRun {
				query.Set("dry_run", "true")
			}
			answer, err := t.call(cmd.Context(), http.MethodPost, "/produce", query, "application/x-ndjson", io.NopCloser(in)) // closed here and once
			if err = errors.Join(err, in.Close()); err != nil {
				return err
			}
			return t.lines([]json.RawMessage{answer})
		}}
	cmd.Flags().StringVar(&topic, "topic", "", "the `TOPIC`")
	cmd.Flags().StringVarP(&file, "file", "f", "", "`FILE` of JSON lines; standard input if not given")
	rehearsal(cmd, &dryRun)
	return cmd
}

func (t *tool) deadLetters() *cobra.Command {
	query := url.Values{}
	list := &cobra.Command{Use: "list", Short: "List records that could not be handled, newest first", Args: args(),
		Example: "  joinery dlq list --state open",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := t.list(cmd.Context(), "/dlq", query)
			if err != nil {
				return err
			}
			return t.show(p.Items, deadLetterColumns)
		}}
	queryFlag(list, query, "state", "open or resolved")
	queryFlag(list, query, "class", "such as decode, invalid or unknown_schema")
	queryFlag(list, query, "topic", "that the record stands in")
	queryFlag(list, query, "limit", "at most so many, up to 1000; default 100")
	show := &cobra.Command{Use: "show ID", Short: "Show one of them whole", Args: args("an id"),
		Example: "  joinery dlq show dl-1f2e -o yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := t.get(cmd.Context(), "/dlq/"+url.PathEscape(args[0]), nil)
			if err != nil {
				return err
			}
			return t.showOne(answer, append(slices.Clone(deadLetterColumns), columns("REMEDY=remedy KEY=key RECORD=decoded BYTES=value HEADERS=headers RESOLUTION=resolution")...))
		}}
	return group("dlq", "Dead letters: list, show, replay, discard", list, show, t.replayLetter(), t.discardLetter())
}

func (t *tool) target() *cobra.Command {
	list := &cobra.Command{Use: "list", Short: "List the systems that are provisioned", Args: args(), Example: "  joinery target list",
		RunE: func(cmd *cobra.Command, _ []string) error {
			p, err := t.list(cmd.Context(), "/targets", nil)
			if err != nil {
				return err
			}
			return t.show(p.Items, targetColumns)
		}}
	check := &cobra.Command{Use: "check TARGET", Short: "Try a target's connection and rights; changes nothing there. Exit 3 if something is wrong", Args: args("a target"),
		Example: "  joinery target check chat",
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := t.post(cmd.Context(), "/targets/"+url.PathEscape(args[0])+"/check", nil, nil)
			if err != nil {
				return err
			}
			if err := t.listOf(findingColumns)(answer); err != nil {
				return err
			}
			return exitIfFault(answer)
		}}
	return group("target", "Systems that are provisioned: list, check, reconcile, pause, resume", list, check, t.reconcile(),
		t.pauseTarget("pause", "Send nothing to a target until it is resumed, also over restarts"), t.pauseTarget("resume", "Send a paused target what has waited"))
}

func exitIfFault(answer json.RawMessage) error {
	var found struct {
		Items []struct {
			Level string `json:"level"`
		} `json:"items"`
	}
	if err := json.Unmarshal(answer, &found); err != nil {
		return fmt.Errorf("read the findings the pipeline answered: %w", err)
	}
	for _, f := range found.Items {
		if f.Level == "fault" {
			return ExitWith(Findings, nil)
		}
	}
	return nil
}

// sweepRequest is the body of a demand to reconcile.
type sweepRequest struct {
	Reason string `json:"reason"`
}

func (t *tool) reconcile() *cobra.Command {
	var body sweepRequest
	var timeout string
	var dryRun bool
	cmd := &cobra.Command{Use: "reconcile TARGET", Short: "Compare a target with what it should be, now; returns when that is done, with what was found. Exit 3 if something was found", Args: args("a target"),
		Example: "  joinery target reconcile chat --reason \"somebody changed groups by hand\""}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		query := url.Values{}
		set(query, "timeout", timeout)
		if dryRun {
			query.Set("dry_run", "true")
		}
		t.progress("comparing %s with what it should be ...", args[0])
		answer, err := t.post(cmd.Context(), "/targets/"+url.PathEscape(args[0])+"/reconcile", query, body)
		if err != nil {
			return err
		}
		if err := t.showWith(answer, sweepFields, "findings", driftColumns); err != nil {
			return err
		}
		return sweepExit(answer)
	}
	cmd.Flags().StringVar(&timeout, "timeout", "", "how long to wait, such as 90s; default 10m")
	cmd.Flags().StringVar(&body.Reason, "reason", "", "`why`; kept with the command")
	rehearsal(cmd, &dryRun)
	return cmd
}

// sweepExit is the exit code of a sweep: its partitions may end differently.
func sweepExit(answer json.RawMessage) error {
	var sweep struct {
		Outcome  string            `json:"outcome"`
		Compared int               `json:"compared"`
		Findings []json.RawMessage `json:"findings"`
		Failures []string          `json:"failures"`
	}
	if err := json.Unmarshal(answer, &sweep); err != nil {
		return fmt.Errorf("read the sweep the pipeline answered: %w", err)
	}
	switch {
	case sweep.Outcome == "failed" && sweep.Compared > 0:
		return ExitWith(Partly, fmt.Errorf("a part could not be compared: %s", strings.Join(sweep.Failures, "; ")))
	case sweep.Outcome == "failed":
		return fmt.Errorf("nothing could be compared: %s", strings.Join(sweep.Failures, "; "))
	case len(sweep.Findings) > 0:
		return ExitWith(Findings, nil)
	}
	return nil
}

func (t *tool) status() *cobra.Command {
	return &cobra.Command{Use: "status", Short: "Show the pipeline at a glance: lag, exceptions, dead letters, approvals", Args: args(), Example: "  joinery status",
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := t.get(cmd.Context(), "/status", nil)
			if err != nil {
				return err
			}
			return t.showWith(answer, statusFields, "lag", lagColumns)
		}}
}

// moveRequest is the body of moving the clock.
type moveRequest struct {
	Advance string `json:"advance"`
}

func (t *tool) clock() *cobra.Command {
	show := &cobra.Command{Use: "show", Short: "Show the pipeline's clock", Args: args(), Example: "  joinery clock show",
		RunE: func(cmd *cobra.Command, _ []string) error {
			answer, err := t.get(cmd.Context(), "/clock", nil)
			if err != nil {
				return err
			}
			return t.showOne(answer, clockFields)
		}}
	var dryRun bool
	advance := &cobra.Command{Use: "advance DURATION", Short: "Move the pipeline's clock ahead, so that dated things can be tried (dev only)", Args: args("a duration"),
		Example: "  joinery clock advance 14d",
		RunE: func(cmd *cobra.Command, args []string) error {
			answer, err := t.post(cmd.Context(), "/clock", rehearsed(dryRun), moveRequest{args[0]})
			if err != nil {
				return err
			}
			return t.showOne(answer, clockFields)
		}}
	rehearsal(advance, &dryRun)
	return group("clock", "The pipeline's clock: show, advance", show, advance)
}

package pages

import (
	"cmp"
	"html/template"
	"slices"
	"strconv"
	"strings"
	"time"

	"joinery.internal/services/console/internal/desk"
)

const (
	pageSize     = 50
	timelineSize = 200
	listSize     = 200 // rows of a table
	maxCards     = 100 // each with a form of its own
	kpiSpan      = 30 * 24 * time.Hour
)

func newestFirst(m []desk.Moment) { slices.Reverse(m) }

var functions = template.FuncMap{
	"when":    when,
	"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"words":   words,
	"tone":    tone,
	"short":   short,
	"length":  length,
	"percent": percent,
	"mean":    mean,
	"whole":   whole,
	"step":    step,
}

// when writes a time for people, in UTC.
func when(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04:05") }

// words writes a name of ours for people: department_change -> Department change.
func words(name string) string {
	text := strings.ReplaceAll(strings.ReplaceAll(name, ".", ": "), "_", " ")
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// tone is how a kind or a status looks. It is never the only sign: the word is always there.
func tone(name string) string {
	_, verb, dotted := strings.Cut(name, ".")
	if !dotted {
		verb = name
	}
	switch verb {
	case "applied", "done", "released", "granted", "approved", "completed", "active", "hire", "rehire", "repaired", "remediated", "resolved", "succeeded", "ok":
		return "good"
	case "failed", "dead_letter", "invalid", "dead_lettered", "refused", "denied", "emergency_termination", "quarantined", "fault":
		return "bad"
	case "termination", "contract_ended", "revoked", "ended", "expired", "held", "holding", "overtaken", "leaver", "emergency", "deferred", "grace_started", "escalated", "tripped", "open", "opened", "degraded", "leave", "waiting", "found":
		return "warn"
	}
	return "plain"
}

// short cuts an id or a hash to what a person compares by eye.
func short(id string) string {
	if len(id) <= 14 {
		return id
	}
	return id[:14] + "…"
}

// length writes a duration in milliseconds; 0 means without end.
func length(ms int64) string {
	d := time.Duration(ms) * time.Millisecond
	switch {
	case d == 0:
		return "no end"
	case d%(24*time.Hour) == 0:
		return plural(int64(d/(24*time.Hour)), "day")
	case d%time.Hour == 0:
		return plural(int64(d/time.Hour), "hour")
	}
	return d.String()
}

// step says what is to be done, in the words of who does it.
func step(s desk.TicketStep) string {
	switch s.Verb {
	case "create":
		if s.Enabled != nil && !*s.Enabled {
			return "Create the account, disabled for now"
		}
		return "Create the account"
	case "update":
		return "Change " + cmp.Or(s.Item, "the account")
	case "grant":
		return "Give " + s.Item
	case "revoke":
		return "Take away " + s.Item
	}
	return words(s.Verb) + " the account"
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.FormatInt(n, 10) + " " + noun + "s"
}

func percent(rate *float64) string {
	if rate == nil {
		return "–"
	}
	return strconv.FormatFloat(100**rate, 'f', 1, 64) + " %"
}

func mean(ms *float64) string {
	if ms == nil {
		return "–"
	}
	return brief(time.Duration(*ms * float64(time.Millisecond)))
}

func whole(ms *int64) string {
	if ms == nil {
		return "–"
	}
	return brief(time.Duration(*ms) * time.Millisecond)
}

func brief(d time.Duration) string {
	switch {
	case d < time.Second:
		return strconv.FormatInt(d.Milliseconds(), 10) + " ms"
	case d < time.Minute:
		return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s"
	}
	return d.Round(time.Second).String()
}

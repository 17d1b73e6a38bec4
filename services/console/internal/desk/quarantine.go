package desk

import (
	"context"
	"strings"
	"time"

	"joinery.internal/pkg/event"
)

// Quarantined is a worker of a source of whom nobody knows whose it is.
type Quarantined struct {
	ID         string               `json:"id" doc:"source/source_key"`
	Source     string               `json:"source"`
	Reason     string               `json:"reason" doc:"unknown_key: nobody has the keys yet; weak_match: somebody is alike, though no key says so"`
	Candidates []Named              `json:"candidates" doc:"who it may be"`
	Whose      *Named               `json:"whose,omitempty" doc:"known: the records wait for another worker that they name"`
	MayBeNew   bool                 `json:"may_be_new" doc:"one of the records may make a new person"`
	Records    int                  `json:"records" doc:"how many wait"`
	Since      time.Time            `json:"since"`
	Newest     []event.SourceRecord `json:"newest,omitempty" doc:"of show: the newest of the records"`
}

// Assignment is a person's word on whose a worker is.
type Assignment struct {
	To     string // identity id or employee number; empty: it is a new person
	Reason string
	DryRun bool // check, and write nothing
}

// Assigned is the worker after a word.
type Assigned struct {
	Quarantined
	To     Named `json:"to" doc:"whose the worker is now"`
	Seen   bool  `json:"seen" doc:"false: the word is written and has no effect yet"`
	DryRun bool  `json:"dry_run"`
}

// Quarantine lists who waits, the longest first.
func (d *Desk) Quarantine(source string) []Quarantined {
	out := []Quarantined{}
	for _, w := range d.Waiting.List() {
		if source == "" || source == w.Source {
			out = append(out, d.quarantined(w))
		}
	}
	return out
}

func (d *Desk) quarantined(w event.Waiting) Quarantined {
	out := Quarantined{ID: w.Source + "/" + w.SourceKey, Source: w.Source, Reason: w.Reason, MayBeNew: w.New != "", Records: w.Count, Since: w.Since,
		Candidates: make([]Named, len(w.Candidates))}
	for i, id := range w.Candidates {
		out.Candidates[i] = d.named(id)
	}
	if w.Whose != "" {
		whose := d.named(w.Whose)
		out.Whose = &whose
	}
	return out
}

// QuarantinedWorker shows one with the newest of its records.
func (d *Desk) QuarantinedWorker(worker string) (Quarantined, error) {
	w, _, waits := d.Waiting.Get(worker)
	if !waits {
		return Quarantined{}, fault(NotFound, "nothing waits of a worker %q: give source/source_key as `joinery quarantine list` shows it", worker)
	}
	out := d.quarantined(w)
	out.Newest = w.Records
	return out, nil
}

// Assign says a person's word on whose a worker is, and waits a little for what comes of it. Ingest decides.
func (d *Desk) Assign(ctx context.Context, worker string, a Assignment, actor Actor) (Assigned, error) {
	w, _, waits := d.Waiting.Get(worker)
	if !waits {
		_, err := d.QuarantinedWorker(worker)
		return Assigned{}, err
	}
	to := w.New
	if a.To != "" {
		var err error
		if to, err = d.Find(a.To); err != nil {
			return Assigned{}, err
		}
	}
	switch {
	case actor.ID == "":
		return Assigned{}, fault(Forbidden, "only a person can decide: sign in, or act as one (--as PERSON)")
	case strings.TrimSpace(a.Reason) == "":
		return Assigned{}, fault(Invalid, "give a reason: it becomes evidence")
	case w.Whose != "":
		return Assigned{}, fault(Conflict, "the worker is somebody's already: what waits names another worker who is not known yet")
	case to == "":
		return Assigned{}, fault(Conflict, "none of the records that wait may make a new person: say whose the worker is")
	case to == actor.ID:
		return Assigned{}, fault(Forbidden, "nobody says of a worker that it is themselves: let somebody else look")
	}
	out := Assigned{Quarantined: d.quarantined(w), To: d.named(to), DryRun: a.DryRun}
	if a.DryRun {
		return out, nil
	}
	command := event.IntakeCommand{ID: d.NewID(), Source: w.Source, SourceKey: w.SourceKey, Actor: actor.ID, Reason: strings.TrimSpace(a.Reason)}
	if a.To != "" {
		command.IdentityID = to
	}
	if err := d.append(ctx, event.IntakeCommands, worker, command); err != nil {
		return out, err
	}
	out.Seen = d.patiently(ctx, func() (<-chan struct{}, bool) {
		_, changed, waits := d.Waiting.Get(worker)
		return changed, !waits
	})
	return out, nil
}

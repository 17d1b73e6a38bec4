package access

import (
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// Due does what time has made due. Each moment opens a case of its own.
func (w Work) Due() Decision {
	for {
		d, ok := w.next()
		if !ok || d.at.After(w.Now) {
			return w.decide()
		}
		id := event.CaseID(event.DeriveID("case", 0, string(w.ID), string(d.kind), d.at.UTC().Format(time.RFC3339Nano), w.Cause))
		w.begin(trigger{kind: d.kind, causation: string(d.cause), effective: d.at, known: d.at, before: w.State.Person, cause: d.cause}, d.at)
		w.open(id, nil)
		w.end()
		w.review()
		w.settle()
	}
}

// due is something that time brings.
type due struct {
	at    time.Time
	kind  event.Kind
	cause event.CaseID
}

// next is what time brings first: of roles and accounts when they end, of employments what lies after the last review.
func (w *Work) next() (first due, ok bool) {
	s := w.State
	consider := func(d due) {
		if !d.at.IsZero() && (!ok || d.at.Before(first.at) || (d.at.Equal(first.at) && d.kind < first.kind)) {
			first, ok = d, true
		}
	}
	for _, a := range s.Roles {
		consider(due{a.Grace, event.AccessRevoked, a.Case})
		consider(due{a.Expires, event.AccessExpired, a.Case})
	}
	for _, a := range s.Accounts {
		if _, there := w.Bundle.Target(a.Target); there && s.deletes(a) {
			consider(due{a.Idle.Add(w.Bundle.DeleteAfter(a.Target)), event.AccessExpired, a.Case})
		}
	}
	for _, d := range w.coming() {
		if d.at.After(s.Reviewed) {
			consider(d)
		}
	}
	return first, ok
}

// coming is what the employments bring: accounts before the start, reminders before the end, the end of the longest term.
func (w *Work) coming() (out []due) {
	p, l := w.State.Person, w.Bundle.Lifecycle()
	if p == nil || p.Emergency || p.MergedInto != "" {
		return nil
	}
	for _, job := range employments(*p) {
		switch job.Status {
		case event.StatusEnded:
			continue
		case event.StatusPrehire:
			out = append(out, due{job.Start.Add(-l.Prehire), event.AccessGranted, w.State.Ahead})
		}
		for _, at := range reminders(job, l, w.ends(job)) {
			out = append(out, due{at, event.AccessRevokeScheduled, ""})
		}
		out = append(out, due{w.limit(job), event.AccessRevoked, ""})
	}
	return out
}

// reminders are the moments before the end of a contract at which policy wants somebody reminded.
func reminders(job event.Person, l policy.Lifecycle, end time.Time) (out []time.Time) {
	if job.WorkerType != contractor || end.IsZero() {
		return nil
	}
	for _, before := range l.ContractorRemind {
		out = append(out, end.Add(-before))
	}
	return out
}

// deletes says whether an account goes if nothing comes between.
func (s State) deletes(a Account) bool {
	return a.exists() && !a.Idle.IsZero() && s.Person != nil && !s.Person.Emergency && !s.onLegalHold()
}

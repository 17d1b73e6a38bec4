package access

import (
	"slices"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

const contractor = "contractor"

// legalHold is the attribute of a person of whom nothing may be deleted while it stands.
const legalHold = "legal_hold"

// standing is how a person stands towards access; of several employments the best counts.
type standing int

const (
	gone    standing = iota // ended, or nobody
	held                    // by an emergency, whatever the employments
	ahead                   // hired, and accounts are not due yet
	present                 // here, on leave, or about to start
)

func (w *Work) standing() standing {
	p := w.State.Person
	if p == nil || p.MergedInto != "" {
		return gone
	}
	if p.Emergency {
		return held
	}
	best := gone
	for _, job := range employments(*p) {
		best = max(best, w.stands(job))
	}
	return best
}

// stands is how the person stands by one of the employments.
func (w *Work) stands(job event.Person) standing {
	switch {
	case job.Status == event.StatusEnded, w.over(job):
		return gone
	case job.Status == event.StatusPrehire && w.at.Before(job.Start.Add(-w.Bundle.Lifecycle().Prehire)):
		return ahead
	}
	return present
}

// employments are the person as seen in each employment, the one that counts first.
func employments(p event.Person) []event.Person {
	all := make([]event.Person, 1, 1+len(p.Spells))
	all[0] = p
	for _, s := range p.Spells {
		all = append(all, p.As(s))
	}
	return all
}

// jobs are the employments that give access now: the person has what any of them gives.
func (w *Work) jobs() []event.Person {
	return slices.DeleteFunc(employments(*w.State.Person), func(job event.Person) bool { return w.stands(job) != present || w.lacksEnd(job) })
}

// status is that of the first employment that gives access, else that of the one that counts.
func (w *Work) status() event.Status {
	if jobs := w.jobs(); len(jobs) > 0 {
		return jobs[0].Status
	}
	return w.State.Person.Status
}

// limit is when an employment ends at the latest by policy; zero: it says nothing.
func (w *Work) limit(job event.Person) time.Time {
	most := w.Bundle.Lifecycle().ContractorMaxTerm
	if job.WorkerType != contractor || most <= 0 || job.Start.IsZero() {
		return time.Time{}
	}
	return job.Start.Add(most)
}

// over says whether an employment has lasted as long as policy allows.
func (w *Work) over(job event.Person) bool { return w.overAt(job, w.at) }

func (w *Work) overAt(job event.Person, at time.Time) bool {
	limit := w.limit(job)
	return !limit.IsZero() && !at.Before(limit)
}

// ends is when the access of an employment ends: its end, or what policy allows at most; zero: it does not.
func (w *Work) ends(job event.Person) time.Time { return earliest(job.End, w.limit(job)) }

// lacksEnd says whether a contractor's end date is missing though policy wants one.
func (w *Work) lacksEnd(job event.Person) bool {
	return job.WorkerType == contractor && job.End.IsZero() && w.Bundle.Lifecycle().ContractorRequireEnd
}

// onLegalHold says whether nothing of the person may be deleted: any of the employments may say so.
func (s State) onLegalHold() bool {
	return s.Person != nil && slices.ContainsFunc(employments(*s.Person), func(job event.Person) bool {
		switch job.Attributes[legalHold] {
		case "", "false", "no", "0":
			return false
		}
		return true
	})
}

// jobEnded says whether the trigger is the end of one of several employments: what only it gave goes with it.
func (w *Work) jobEnded() bool {
	if w.by.before == nil || w.by.kind == event.Conversion {
		return false
	}
	live := func(p event.Person, at time.Time) int {
		return len(slices.DeleteFunc(employments(p), func(job event.Person) bool { return job.Status == event.StatusEnded || w.overAt(job, at) }))
	}
	return live(*w.by.before, w.State.Reviewed) > live(*w.State.Person, w.at)
}

// input is what policy is asked about the person, in one of their employments.
func (w *Work) input(job event.Person) policy.Input {
	return policy.Input{Person: job, Before: w.by.before, Now: w.at, Dir: own{w.Dir, *w.State.Person},
		Event: policy.EventInfo{Kind: string(w.by.kind), Source: w.by.source, Reason: w.by.reason, EffectiveAt: w.by.effective}}
}

// own is the directory with the person's own record, which it may not have caught up with yet.
type own struct {
	policy.Directory
	person event.Person
}

// ManagerOf implements policy.Directory.
func (d own) ManagerOf(id event.IdentityID) (event.IdentityID, bool) {
	if id != d.person.ID || d.person.ID == "" {
		return d.Directory.ManagerOf(id)
	}
	manager, known := d.ByEmployeeNumber(d.person.Manager)
	switch {
	case d.person.Manager == "" || !known || manager == id:
		return "", false
	case d.Present(manager):
		return manager, true
	}
	above, ok := d.Directory.ManagerOf(manager)
	return above, ok && above != id
}

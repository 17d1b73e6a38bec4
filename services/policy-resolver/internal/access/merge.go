package access

import (
	"fmt"
	"slices"

	"joinery.internal/pkg/event"
)

// Merging is what there is to know of other identities that are, or were, this person. Their accounts come in a message
// from the partition where they were; until it is there no new account is made beside them.
//
//	merged: the absorbed identity --accounts--> the one that stays
//	split:  the one that stayed --those accounts--> the identity that is one of its own again
type Merging struct {
	Expected []event.IdentityID `json:"e,omitempty"` // their accounts are on the way
	Arrived  []Arrival          `json:"a,omitempty"` // came before we knew why
	Doubles  []Double           `json:"d,omitempty"` // accounts beside one that is there already
}

// Arrival is the accounts of another identity.
type Arrival struct {
	From     event.IdentityID `json:"f"`
	Accounts []event.Handover `json:"a,omitempty"`
}

// Double is a second account of one person in one target.
type Double struct {
	Target  string `json:"t"`
	Account string `json:"a"`
}

func (m Merging) clone() Merging {
	return Merging{slices.Clone(m.Expected), slices.Clone(m.Arrived), slices.Clone(m.Doubles)}
}

// merge hands accounts over, or takes those that are to come. before is the person as known up to now; nil: not at all.
func (w *Work) merge(e event.IdentityEvent, before *event.Person) {
	absorbed := before != nil && before.MergedInto != ""
	switch {
	case e.Kind == event.Merged && e.Person.MergedInto != "":
		w.handOver(e.Person.MergedInto, func(Account) bool { return true })
	case e.Kind == event.Split && !absorbed:
		w.handOver(e.Related, func(a Account) bool { return a.From == e.Related })
	case e.Kind == event.Merged || e.Kind == event.Split:
		w.expect(e.Related)
	}
}

// handOver gives accounts to another identity. Nothing is said of them here any more; what is in the targets stays.
func (w *Work) handOver(to event.IdentityID, gives func(Account) bool) {
	q := &event.AccessRequest{ID: event.DeriveID("rq", 0, w.Cause, string(w.ID), string(to)), Kind: event.RequestAdopt, IdentityID: to,
		Requester: w.ID, RequestedAt: w.Now}
	for i := range w.State.Accounts {
		a := &w.State.Accounts[i]
		if !a.exists() || !gives(*a) {
			continue
		}
		name := a.Name
		if name == "" {
			name = a.Wanted
		}
		q.Accounts = append(q.Accounts, event.Handover{Target: a.Target, Account: name, State: a.State})
		w.out.Released = append(w.out.Released, a.Target)
		*a = Account{Target: a.Target, Version: a.Version, Applied: a.Applied}
		for j := range w.State.Cases {
			c := &w.State.Cases[j]
			c.Waits = slices.DeleteFunc(c.Waits, func(wait Wait) bool { return wait.Target == a.Target })
		}
	}
	w.State.Merging.Doubles = nil
	w.out.Handovers = append(w.out.Handovers, q)
}

// expect takes the accounts of another identity, or waits until they have come.
func (w *Work) expect(from event.IdentityID) {
	m := &w.State.Merging
	if i := slices.IndexFunc(m.Arrived, func(a Arrival) bool { return a.From == from }); i >= 0 {
		w.adopt(m.Arrived[i])
		m.Arrived = slices.Delete(m.Arrived, i, i+1)
		return
	}
	if from != "" && !slices.Contains(m.Expected, from) {
		m.Expected = append(m.Expected, from)
	}
}

// Adopted takes over accounts from an identity that turned out to be the same human, or was taken for it. What comes before
// the person is known to be so waits for that.
func (w Work) Adopted(q event.AccessRequest) Decision {
	w.begin(trigger{kind: event.Merged, causation: w.Cause, effective: w.Now, known: w.Now, before: w.State.Person}, w.Now)
	m := &w.State.Merging
	arrival := Arrival{q.Requester, q.Accounts}
	i := slices.Index(m.Expected, q.Requester)
	if i < 0 {
		m.Arrived = append(m.Arrived, arrival)
		return w.decide()
	}
	m.Expected = slices.Delete(m.Expected, i, i+1)
	w.open(event.CaseID(event.DeriveID("case", 0, w.Cause, string(w.ID))), nil)
	w.adopt(arrival)
	w.review()
	return w.decide()
}

func (w *Work) adopt(from Arrival) {
	for _, h := range from.Accounts {
		a := w.State.account(h.Target)
		if a.exists() {
			w.State.Merging.Doubles = append(w.State.Merging.Doubles, Double{h.Target, h.Account})
			continue
		}
		*a = Account{Target: h.Target, Version: a.Version, Applied: a.Applied, State: h.State, Wanted: h.Account, Name: h.Account, From: from.From}
	}
}

// findDoubles finds second accounts in one target: a person has to say which is to go.
func (w *Work) findDoubles() {
	for _, d := range w.State.Merging.Doubles {
		w.find("double/"+d.Target+"/"+d.Account, finding{class: classDouble, target: d.Target,
			message: fmt.Sprintf("After a merge the person has a second account in %s, %s: disable it there, or merge it by hand.", d.Target, d.Account)})
	}
}

// Package dualcontrol counts what people say of something that is held: it is released or cancelled when two of them have
// said the same.
//
// It owns the rule only. Who may vote, and what follows, is for who holds something: the provisioner for what guards hold,
// an adapter for its files. Who takes the same votes in the same order comes to the same decision. It is pure.
//
//	votes, outcome := votes.Take(decided, dualcontrol.Vote{Kind: command.Kind, Actor: command.Actor})
//	if outcome == dualcontrol.Decisive { ... }
package dualcontrol

import (
	"slices"

	"joinery.internal/pkg/event"
)

// Vote is one person's.
type Vote struct {
	Kind  event.GuardAct   `json:"k"`
	Actor event.IdentityID `json:"a"`
}

// Votes are those that count, in the order in which they came.
type Votes []Vote

// What becomes of a vote; there is nothing else.
const (
	Counted  = "counted"  // another person has to say the same
	Decisive = "decisive" // it is done
	Repeated = "repeated" // the same by the same person counts once
	Late     = "late"     // it is decided already
)

// Take takes a vote; decided says whether there is a decision. What is given is left as it is.
func (v Votes) Take(decided bool, vote Vote) (_ Votes, outcome string) {
	switch {
	case decided:
		return v, Late
	case slices.Contains(v, vote):
		return v, Repeated
	}
	outcome = Counted
	if slices.ContainsFunc(v, func(other Vote) bool { return other.Kind == vote.Kind }) {
		outcome = Decisive
	}
	return append(slices.Clone(v), vote), outcome
}

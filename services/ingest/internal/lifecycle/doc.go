// Package lifecycle turns facts about one person into what happened to them: the joiner, mover and leaver events.
//
// One model answers every case. What sources said is kept as said, per worker of a source (a Feed), in version order,
// each with the time it takes effect and the time we learnt it. The present is a pure function of that and of now:
//
//	facts of a feed --walk--> track: spells of employment, what was said of each, leaves, emergency holds
//	tracks, now     --look--> view:  the person now, the spell that counts, why it ended
//	before, after   --classify--> transitions
//
// A fact: look before, insert, look after; what differs is the event. A timer: look at the last time, look now; what
// differs is the event. So nothing is too late or too early, a timer that no longer means anything does nothing, and
// the order of arrival does not matter.
//
// # Order
//
// Versions of a worker are ordered by sequence; records without one stand where their recorded_at puts them. The
// order decides what the newest word is on start, end, rescission and time zone. What a snapshot says of the person
// in a spell (department and the like) is ordered by the time it begins to hold, its rank:
//
//	with a sequence   the later of effective_at and recorded_at: the newest version is the present
//	without           effective_at, then recorded_at
//	no later than the start of the spell, or first in it: from the first moment of the spell
//
// A snapshot that takes effect after it was recorded is a plan: when its day comes, what it changed then is changed in
// what holds by then. So a move planned for April and a new phone number in March do not undo each other.
//
// Before the first day a spell is shown as it will be on the first day.
//
// # Silence
//
// A snapshot without a value says nothing about it: a profile source may fill it, else it is empty. What defines the
// spell (start_date, end_date, worker_type, employee_number, timezone) keeps the value last given instead; so no
// snapshot undoes an end by silence, not even the first one read of the worker. An end goes by reverse_termination, or
// moves by correct_termination or by another end_date; the year 9999 is no end. Contract end and termination are kept
// apart, the earlier one counts: a snapshot that repeats the contract's end does not undo a termination. Where both name
// the same moment they are one end, said twice, and go or move together.
//
// A termination ends the spell of its day and those planned by then, unless one begins where it ends; so a plan of before
// brings nobody back. Said again, corrected or reversed, it is about the same spells until another one has begun. Reversed
// twice, there is nothing left to reverse.
//
// # Spells
//
// A snapshot begins a new spell when it names a start on the last day of the last one or later, or with another worker type
// while that one runs (a conversion), or after a rescission. Any other new start moves the spell, and of a spell that has
// not begun any start does. One that is ended before it could begin is rescinded. Without a start_date a snapshot speaks of the spell of its day, else of the last one.
//
// A worker of a source has one employment at a time: a spell is over where the next one begins, wherever that moves, and
// goes on if that is rescinded. Where one begins as the other ends a leave goes on; and if it is of another type it is a
// conversion, known in time or late. A leave or a return said again before it has come moves.
//
// The spell that counts is the one that is live, begun first; the others that are live or on leave are the person's
// other employments. Any of them that differs is a transfer with "spells" among what changed.
//
// # Emergency
//
// A hold stands from when it takes effect and is known, whatever else is said, until the person is out of all employments
// after that and none to come is known of, or until two people lift it: a fact of kind lift that is known after the hold
// was in force.
//
// # Merge and split
//
// Both move feeds from one identity's state to another's; see merge.go. All else follows from the feeds.
//
// # Bounds
//
// A feed keeps its last 32 facts as they came, each as its difference to the one before; older ones are folded into a
// base and its mark. What arrives older than the mark changes nothing and is named stale. Ten facts about one person
// take less than 1 KB.
//
// It owns the meaning of facts and the shape and bytes of State. It does not own correlation (internal/intake), storage
// and timers (app), access (policy-resolver). Package reference says the same far more slowly. Pure but for the memory
// of time zones in Model, which belongs to one goroutine.
//
//	d, err := lifecycle.New(zones).Decide(state, fact, "jml.identity.fact.v1/3/17", now)
//	// d.Events to publish, d.Forward for other identities, d.State to keep, d.Next to be called again with Due
package lifecycle

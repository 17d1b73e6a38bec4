package desk_test

import (
	"testing"
	"testing/synctest"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

const trip = "mass-leaver:chat.3f9a2c1b"

// tripped is a world in which a guard holds, and Cyn has said to release it.
func tripped(t *testing.T) *desktest.World {
	t.Helper()
	w := desktest.New(t)
	w.Archive.Trips = []desk.Guard{
		{ID: trip, Guard: "mass-leaver", Target: "chat", State: desk.GuardHolding, Held: 7, TrippedAt: desktest.Start,
			Votes: []desk.GuardVote{{Kind: "release", Actor: desk.Named{ID: "id-cyn"}, Reason: "fine", At: desktest.Start}}},
		{ID: "mass-leaver:erp.11111111", Guard: "mass-leaver", State: desk.GuardReleased, Votes: []desk.GuardVote{}},
	}
	return w
}

func TestGuardsThatHoldAreListedFirstOfAll(t *testing.T) {
	t.Parallel()
	w := tripped(t)
	for state, want := range map[string]int{"": 1, "holding": 1, "released": 1, "cancelled": 0, "all": 2} {
		if got, err := w.Desk.Guards(t.Context(), state); err != nil || len(got) != want {
			t.Errorf("%q: %+v, %v; want %d", state, got, err, want)
		}
	}
	got, err := w.Desk.Guards(t.Context(), "")
	if err != nil || got[0].Votes[0].Actor.Name != "Cyn Diaz" {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = w.Desk.Guards(t.Context(), "open")
	wantFault(t, err, desk.Invalid, "holding")
}

func TestAWordOnAGuardIsRefusedEarlyWhereItCannotCount(t *testing.T) {
	t.Parallel()
	w := tripped(t)
	word := desk.GuardDecision{Kind: event.GuardRelease, Reason: "fine"}
	for name, c := range map[string]struct {
		id    string
		word  desk.GuardDecision
		actor desk.Actor
		kind  desk.FaultKind
		says  string
	}{
		"unknown":   {"mass-leaver.00000000", word, boss, desk.NotFound, "guard list"},
		"decided":   {"mass-leaver:erp.11111111", word, boss, desk.Conflict, "released"},
		"operator":  {trip, word, operator, desk.Forbidden, "--as"},
		"no reason": {trip, desk.GuardDecision{Kind: event.GuardCancel, Reason: " "}, boss, desk.Invalid, "reason"},
		"twice":     {trip, word, desk.Actor{ID: "id-cyn"}, desk.Conflict, "another person"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Desk.DecideGuard(t.Context(), c.id, c.word, c.actor)
			wantFault(t, err, c.kind, c.says)
		})
	}
	word.DryRun = true
	if got, err := w.Desk.DecideGuard(t.Context(), trip, word, boss); err != nil || !got.DryRun || got.State != desk.GuardHolding {
		t.Errorf("rehearsed: %+v, %v", got, err)
	}
	if sent := desktest.Written[event.GuardCommand](t, w, event.GuardCommands); len(sent) != 0 {
		t.Errorf("written: %+v", sent)
	}
}

func TestAWordOnAGuardIsACommandInEveryPartitionAndItsEffectIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := tripped(t)
	w.Journal.Answer = func(desk.Outgoing) { // the provisioner
		for cause, outcome := range map[string]string{"act-other": "counted", "act-new-1": "decisive"} {
			w.Journal.Put(t, event.ProvisionEvents, 1, &event.ProvisionEvent{Meta: event.Meta{EventID: event.EventID("ge-" + cause), Kind: event.GuardVoted,
				CausationID: cause, Outcome: outcome, OccurredAt: desktest.Start.Add(time.Second)}})
		}
	}
	got, err := w.Desk.DecideGuard(t.Context(), trip, desk.GuardDecision{Kind: event.GuardRelease, Reason: " a reorganisation "}, boss)
	if err != nil || !got.Seen || got.State != desk.GuardReleased || len(got.Votes) != 2 || got.Votes[1].Actor.Name != "Bo Holm" {
		t.Fatalf("got %+v, %v", got, err)
	}
	sent := desktest.Written[event.GuardCommand](t, w, event.GuardCommands)
	if len(sent) != desktest.Partitions || sent[0].Hold != trip || sent[0].Kind != event.GuardRelease || sent[0].Actor != "id-boss" || sent[0].Reason != "a reorganisation" {
		t.Errorf("commands %+v", sent)
	}
}

func TestAWordThatIsNotCountedInTimeIsWrittenAllTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := tripped(t)
		got, err := w.Desk.DecideGuard(t.Context(), trip, desk.GuardDecision{Kind: event.GuardCancel, Reason: "a wrong file"}, boss)
		if err != nil || got.Seen || got.State != desk.GuardHolding {
			t.Errorf("got %+v, %v", got, err)
		}
		if sent := desktest.Written[event.GuardCommand](t, w, event.GuardCommands); len(sent) != desktest.Partitions {
			t.Errorf("commands %+v", sent)
		}
	})
}

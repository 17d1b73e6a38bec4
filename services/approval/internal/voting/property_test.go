package voting_test

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/event"
	"joinery.internal/services/approval/internal/voting"
)

// ledger is a dumb model: who approved which stage, by the events alone.
type ledger struct {
	request  event.ApprovalRequest
	approved map[string][]event.IdentityID
	ended    event.Kind
	proof    *event.Approval
}

func (l *ledger) take(t *rapid.T, e *event.ApprovalEvent) {
	switch e.Kind {
	case event.ApprovalApproved:
		actor := event.IdentityID(e.Actor)
		if actor == l.request.IdentityID || actor == l.request.Requester {
			t.Fatalf("%s decided for themselves", actor)
		}
		if slices.Contains(l.approved[e.Stage], actor) {
			t.Fatalf("%s counts twice in stage %s", actor, e.Stage)
		}
		l.approved[e.Stage] = append(l.approved[e.Stage], actor)
	case event.ApprovalGranted, event.ApprovalRefused, event.ApprovalExpired:
		if l.ended != "" {
			t.Fatalf("ended as %s and again as %s", l.ended, e.Kind)
		}
		l.ended, l.proof = e.Kind, e.Proof
	default:
		if l.ended != "" && e.Kind != event.ApprovalVoteRefused {
			t.Fatalf("%s after the end", e.Kind)
		}
	}
}

func TestWhateverIsVotedNothingIsGrantedWithoutEveryQuorum(t *testing.T) {
	t.Parallel()
	people := []event.IdentityID{"ada", "max", "eva", "lea", "kim"}
	key := approvalproof.NewKey(bytes.Repeat([]byte{7}, 32))
	rapid.Check(t, func(t *rapid.T) {
		some := rapid.SliceOfN(rapid.SampledFrom(people), 0, 3)
		q := event.ApprovalRequest{RequestID: "rq", IdentityID: "ada", Requester: rapid.SampledFrom(people).Draw(t, "requester"), Role: "r", Policy: "p"}
		for i := range rapid.IntRange(1, 3).Draw(t, "stages") {
			q.Stages = append(q.Stages, event.ApprovalStage{Name: fmt.Sprint(i), Approvers: some.Draw(t, "by"), Fallback: some.Draw(t, "fallback"),
				EscalateTo: some.Draw(t, "to"), Quorum: rapid.IntRange(0, 2).Draw(t, "quorum"), DenyAfterMS: 5000, EscalateAfterMS: 1000,
				Exclude: rapid.SampledFrom([][]string{nil, {"previous"}}).Draw(t, "exclude")})
		}
		l := &ledger{request: q, approved: map[string][]event.IdentityID{}}
		var state voting.State
		now, n := start, 0
		step := func(decide func(voting.Work) voting.Decision) {
			n++
			d := decide(voting.Work{State: state, Cause: fmt.Sprint(n), Now: now, Signer: key})
			state = d.State
			for _, e := range d.Events {
				if err := e.Valid(); err != nil {
					t.Fatal(err)
				}
				l.take(t, e)
			}
		}
		step(func(w voting.Work) voting.Decision { return w.Requested(q) })
		for range rapid.IntRange(0, 12).Draw(t, "acts") {
			c := event.ApprovalCommand{ID: fmt.Sprint("c", rapid.IntRange(0, 20).Draw(t, "id")), Kind: rapid.SampledFrom([]event.VoteKind{event.Approve, event.Approve, event.Approve, event.Delegate, event.Deny}).Draw(t, "act"),
				Actor: rapid.SampledFrom(people).Draw(t, "actor"), To: rapid.SampledFrom(people).Draw(t, "to")}
			step(func(w voting.Work) voting.Decision { return w.Voted(c) })
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "ms")) * time.Millisecond)
			step(voting.Work.Due)
		}
		if l.ended != event.ApprovalGranted {
			return
		}
		for _, s := range q.Stages {
			if len(l.approved[s.Name]) < max(1, s.Quorum) {
				t.Fatalf("granted, and stage %s has %v of %d", s.Name, l.approved[s.Name], s.Quorum)
			}
		}
		if err := approvalproof.Verify(key.Public(), "ada", *l.proof, now); err != nil {
			t.Fatal(err)
		}
	})
}

package archive_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
)

// trips is a guard that holds two accounts and was voted on twice, and one that is released.
func trips() []evidence.Row {
	held := `{"exception_id":"mass-leaver:chat.3f9a2c1b"}`
	out := []evidence.Row{
		{Kind: "guard.tripped", Target: "chat", Message: "5 accounts in 1h", Payload: held},
		{Kind: "provision.held", IdentityID: "id-1", Target: "chat", Payload: held},
		{Kind: "provision.held", IdentityID: "id-2", Target: "chat", Payload: held},
		{Kind: "provision.held", IdentityID: "id-2", Target: "chat", Payload: held}, // a newer version
		{Kind: "guard.voted", Actor: "id-boss", Outcome: "counted", Message: "release: a reorganisation: March", Payload: held},
		{Kind: "guard.voted", Actor: "id-boss", Outcome: "repeated", Message: "release: again", Payload: held},
		{Kind: "guard.tripped", Payload: `{"exception_id":"mass-leaver:erp.11111111"}`},
		{Kind: "guard.released", Payload: `{"exception_id":"mass-leaver:erp.11111111"}`},
	}
	for i := range out {
		r := &out[i]
		r.EventID, r.SrcTopicID, r.SrcTopic, r.SrcOffset = uuid.NewSHA1(uuid.Nil, []byte{byte(i)}).String(), uuid.NewSHA1(uuid.Nil, []byte("guards")), string(event.ProvisionEvents), uint64(100+i)
		r.Reason, r.Policy, r.OccurredAt = "mass-leaver", "1f2e", start.Add(time.Duration(-i)*time.Second)
	}
	return out
}

func TestGuardsAreFoldedFromTheirEvidence(t *testing.T) {
	t.Parallel()
	a, eng := open(t)
	insert(t, eng, trips())
	all := must(a.Guards(t.Context(), ""))(t)
	if len(all) != 2 {
		t.Fatalf("got %+v", all)
	}
	one := must(a.Guards(t.Context(), "mass-leaver:chat.3f9a2c1b"))(t)
	if len(one) != 1 {
		t.Fatalf("got %+v", one)
	}
	g := one[0]
	if g.State != "holding" || g.Guard != "mass-leaver" || g.Target != "chat" || g.Held != 2 || g.Message != "5 accounts in 1h" || g.Policy != "1f2e" || !g.DecidedAt.IsZero() {
		t.Errorf("got %+v", g)
	}
	if len(g.Votes) != 1 || g.Votes[0].Kind != "release" || g.Votes[0].Reason != "a reorganisation: March" || g.Votes[0].Actor.ID != "id-boss" {
		t.Errorf("votes %+v", g.Votes)
	}
	if released := must(a.Guards(t.Context(), "mass-leaver:erp.11111111"))(t); len(released) != 1 || released[0].State != "released" || released[0].DecidedAt.IsZero() || released[0].Held != 0 {
		t.Errorf("got %+v", released)
	}
}

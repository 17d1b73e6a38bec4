package archive_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/services/console/internal/desk"
)

func TestClosedTicketsAreReadFromTheirEvidence(t *testing.T) {
	t.Parallel()
	a, eng := open(t)
	rows := []evidence.Row{
		{EventID: "t-1", Kind: "ticket.opened", Outcome: "open"},
		{EventID: "t-2", Kind: "ticket.opened", Outcome: "open"},
		{EventID: "e-1", Kind: "ticket.done", Outcome: "done", CausationID: "t-1", Actor: "id-boss", Message: "handed over", Payload: `{"lane":"joiner","changes":[{"verb":"update","attribute":"desk","item":""},{"verb":"grant","attribute":"","item":"key/garage"}]}`},
		{EventID: "e-2", Kind: "ticket.ignored", Outcome: "ignored", CausationID: "t-1"},
	}
	for i := range rows {
		r := &rows[i]
		r.SrcTopicID, r.SrcTopic, r.SrcOffset = uuid.NewSHA1(uuid.Nil, []byte("tickets")), string(event.ProvisionEvents), uint64(200+i)
		r.IdentityID, r.Target, r.Account, r.OccurredAt = "id-1", "keys", "1001", start.Add(time.Duration(i)*time.Minute)
	}
	insert(t, eng, rows)
	got := must(a.Tickets(t.Context(), desk.ClosedTicketQuery{Limit: 10}))(t)
	if len(got) != 1 {
		t.Fatalf("got %+v", got)
	}
	one := got[0]
	if one.ID != "t-1" || one.State != "done" || one.Actor.ID != "id-boss" || one.Reason != "handed over" || one.Lane != "joiner" || !one.OpenedAt.Equal(start) || !one.ClosedAt.Equal(start.Add(2*time.Minute)) ||
		len(one.Steps) != 2 || one.Steps[0].Item != "desk" || one.Steps[1].Item != "key/garage" {
		t.Errorf("got %+v", one)
	}
	if got := must(a.Tickets(t.Context(), desk.ClosedTicketQuery{State: "refused", Limit: 10}))(t); len(got) != 0 {
		t.Errorf("refused: %+v", got)
	}
	if got := must(a.Tickets(t.Context(), desk.ClosedTicketQuery{ID: "t-1", Target: "keys", Limit: 1}))(t); len(got) != 1 {
		t.Errorf("by id: %+v", got)
	}
}

package desk

import (
	"context"
	"strings"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/inbox"
)

// Emergency asks to shut a person out at once, or to lift that.
type Emergency struct {
	Lift   bool
	Person string // identity id or employee number
	Reason string
	DryRun bool // check, and write nothing
}

// EmergencyReceipt says what was written, and for a lift how it stands.
type EmergencyReceipt struct {
	ID         string           `json:"id" doc:"of the request"`
	Kind       string           `json:"kind" doc:"terminate or lift"`
	IdentityID event.IdentityID `json:"identity_id"`
	State      string           `json:"state" doc:"terminate: written; lift: waiting for a second person, or agreed"`
	DryRun     bool             `json:"dry_run"`
}

// States of an emergency that people asked for.
const (
	emergencyWritten = "written"
	emergencyWaiting = "waiting"
	emergencyAgreed  = "agreed"
)

// Emergency writes the request. A lift takes two people: the first asks, the second says the same and so agrees.
func (d *Desk) Emergency(ctx context.Context, e Emergency, actor Actor) (EmergencyReceipt, error) {
	if strings.TrimSpace(e.Reason) == "" {
		return EmergencyReceipt{}, fault(Invalid, "give a reason: it becomes evidence")
	}
	id, err := d.Find(e.Person)
	if err != nil {
		return EmergencyReceipt{}, err
	}
	request := event.AccessRequest{ID: d.NewID(), Kind: event.RequestEmergency, IdentityID: id, Requester: event.IdentityID(actor.String()),
		Reason: e.Reason, RequestedAt: d.Clock.Now()}
	out := EmergencyReceipt{ID: request.ID, Kind: "terminate", IdentityID: id, State: emergencyWritten, DryRun: e.DryRun}
	if e.Lift {
		if err := mayLift(id, actor); err != nil {
			return EmergencyReceipt{}, err
		}
		out.Kind, out.State, request.Kind = "lift", emergencyWaiting, event.RequestLift
		if asked := d.lifting(id); asked != "" {
			out.ID, out.State = asked, emergencyAgreed
			_, err := d.Vote(ctx, asked, Vote{Kind: event.Approve, Reason: e.Reason, DryRun: e.DryRun}, actor)
			return out, err
		}
	}
	if e.DryRun {
		return out, nil
	}
	if err := d.append(ctx, event.AccessRequests, string(id), request); err != nil || !e.Lift {
		return out, err
	}
	d.appears(ctx, request.ID)
	return out, nil
}

// appears waits until an approval is there to be decided, or patience ends: the next person can then agree at once.
func (d *Desk) appears(ctx context.Context, id string) {
	d.patiently(ctx, func() (<-chan struct{}, bool) {
		a, changed, _ := d.Inbox.Get(id)
		return changed, len(a.Approvers) > 0
	})
}

func mayLift(id event.IdentityID, actor Actor) error {
	switch actor.ID {
	case "":
		return fault(Forbidden, "only people can lift an emergency, two of them: sign in, or act as one (--as PERSON)")
	case id:
		return fault(Forbidden, "nobody lifts their own emergency")
	}
	return nil
}

// lifting is the open request to lift a person's emergency; empty: there is none.
func (d *Desk) lifting(id event.IdentityID) string {
	open := d.Inbox.List(func(a inbox.Approval) bool {
		return a.Status == inbox.Open && a.IdentityID == id && a.Process == "emergency-lift"
	})
	if len(open) == 0 {
		return ""
	}
	return open[0].ID
}

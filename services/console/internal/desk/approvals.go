package desk

import (
	"context"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/inbox"
)

// ApprovalQuery asks for approvals.
type ApprovalQuery struct {
	Mine   bool   // only those the actor is asked to decide now
	Status string // open (the default), granted, refused, expired, cancelled, all
}

// Approvals lists requests for a decision, oldest first.
func (d *Desk) Approvals(q ApprovalQuery, actor Actor) ([]Approval, error) {
	if q.Mine && actor.ID == "" {
		return nil, fault(Forbidden, "whose approvals? Sign in, or act as a person (--as PERSON)")
	}
	statuses := []string{"", "all", string(inbox.Open), string(inbox.Granted), string(inbox.Refused), string(inbox.Expired), string(inbox.Cancelled)}
	if !slices.Contains(statuses, q.Status) {
		return nil, fault(Invalid, "status is %q: give one of %s", q.Status, strings.Join(statuses[1:], ", "))
	}
	status := inbox.Status(q.Status)
	if q.Status == "" {
		status = inbox.Open
	}
	list := d.Inbox.List(func(a inbox.Approval) bool {
		return (status == "all" || a.Status == status) && (!q.Mine || a.MayAct(actor.ID))
	})
	out := make([]Approval, len(list))
	for i, a := range list {
		out[i] = d.approval(a)
	}
	return out, nil
}

// Approval shows one.
func (d *Desk) Approval(id string) (Approval, error) {
	a, _, ok := d.Inbox.Get(id)
	if !ok {
		return Approval{}, noApproval(id)
	}
	return d.approval(a), nil
}

func noApproval(id string) *Fault {
	return fault(NotFound, "there is no approval %q: list approvals, or wait a moment if it was requested just now", id)
}

func (d *Desk) approval(a inbox.Approval) Approval {
	out := Approval{ID: a.ID, Status: string(a.Status), Role: a.Role, Person: d.named(a.IdentityID), Requester: d.named(a.Requester),
		Reason: a.Reason, Stage: a.Stage, Approvers: []Named{}, DueAt: a.DueAt, RequestedAt: a.RequestedAt, Process: a.Process,
		Entitlements: append([]string{}, a.Entitlements...), DurationMS: a.Duration.Milliseconds(), CaseID: string(a.CaseID), Steps: []Step{}}
	for _, id := range a.Approvers {
		out.Approvers = append(out.Approvers, d.named(id))
	}
	for _, s := range a.Steps {
		out.Steps = append(out.Steps, Step{ID: string(s.EventID), At: s.At, Kind: string(s.Kind), Stage: s.Stage,
			Actor: d.named(event.IdentityID(s.Actor)), Reason: s.Reason, Message: s.Message})
	}
	return out
}

// Vote is one person's act on an approval.
type Vote struct {
	Kind   event.VoteKind
	Reason string
	To     string // of a delegation: who decides instead
	DryRun bool   // check, and write nothing
}

// VoteResult is the approval after a vote. Seen is false when the approval service has not answered yet.
type VoteResult struct {
	Approval
	Seen   bool `json:"seen" doc:"false: the vote is written and not yet counted"`
	DryRun bool `json:"dry_run"`
}

// Vote acts on an approval and waits a little for what comes of it. The approval service checks everything again: a
// vote is a record in a topic, and counts only if that service says so.
func (d *Desk) Vote(ctx context.Context, id string, v Vote, actor Actor) (VoteResult, error) {
	before, _, ok := d.Inbox.Get(id)
	if !ok {
		return VoteResult{}, noApproval(id)
	}
	if err := d.mayVote(before, v, actor); err != nil {
		return VoteResult{}, err
	}
	command := event.ApprovalCommand{ID: d.NewID(), Kind: v.Kind, RequestID: id, IdentityID: before.IdentityID,
		Actor: actor.ID, Reason: v.Reason, At: d.Clock.Now()}
	if v.Kind == event.Delegate {
		to, err := d.mayDelegate(before, v.To, actor)
		if err != nil {
			return VoteResult{}, err
		}
		command.To = to
	}
	if v.DryRun {
		return VoteResult{Approval: d.approval(before), DryRun: true}, nil
	}
	if err := d.append(ctx, event.ApprovalCommands, string(before.IdentityID), command); err != nil {
		return VoteResult{}, err
	}
	after, seen := d.await(ctx, id, len(before.Steps))
	return VoteResult{Approval: d.approval(after), Seen: seen}, nil
}

// mayVote refuses early what the approval service would refuse, with a sentence instead of a piece of evidence.
func (d *Desk) mayVote(a inbox.Approval, v Vote, actor Actor) error {
	switch {
	case actor.ID == "":
		return fault(Forbidden, "only a person can decide: sign in, or act as one (--as PERSON)")
	case strings.TrimSpace(v.Reason) == "":
		return fault(Invalid, "give a reason: it becomes evidence")
	case a.Status != inbox.Open:
		return fault(Conflict, "this approval is %s; there is nothing left to decide", a.Status)
	case actor.ID == a.IdentityID || actor.ID == a.Requester:
		return fault(Forbidden, "nobody decides on a request of their own or for themselves")
	case !a.MayAct(actor.ID):
		names := make([]string, len(a.Approvers))
		for i, id := range a.Approvers {
			names[i] = d.named(id).Name
		}
		if len(names) == 0 {
			return fault(Conflict, "no stage of this approval is open yet; try again in a moment")
		}
		return fault(Forbidden, "the stage %q is decided by %s", a.Stage, strings.Join(names, " or "))
	}
	return nil
}

func (d *Desk) mayDelegate(a inbox.Approval, to string, actor Actor) (event.IdentityID, error) {
	if to == "" {
		return "", fault(Invalid, "say who shall decide instead: an identity id or an employee number")
	}
	id, err := d.Find(to)
	switch {
	case err != nil:
		return "", err
	case id == a.IdentityID || id == a.Requester:
		return "", fault(Forbidden, "%s asked for this, or is whom it is for, and cannot decide it", d.named(id).Name)
	case id == actor.ID:
		return "", fault(Invalid, "you are deciding already; name somebody else")
	}
	return id, nil
}

// await returns the approval once it has more steps than it had, or as it is when patience ends.
func (d *Desk) await(ctx context.Context, id string, steps int) (a inbox.Approval, seen bool) {
	seen = d.patiently(ctx, func() (<-chan struct{}, bool) {
		var changed <-chan struct{}
		a, changed, _ = d.Inbox.Get(id) // it was there, and none ever goes
		return changed, len(a.Steps) > steps
	})
	return a, seen
}

// patiently looks again at every change until something is so; false: patience ended before.
func (d *Desk) patiently(ctx context.Context, look func() (changed <-chan struct{}, so bool)) bool {
	ctx, cancel := context.WithTimeout(ctx, d.Patience)
	defer cancel()
	for {
		changed, so := look()
		if so {
			return true
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return false
		}
	}
}

// AccessRequest asks for a change of somebody's roles.
type AccessRequest struct {
	Kind     event.RequestKind
	Role     string
	For      string // identity id or employee number
	Reason   string
	Duration time.Duration // 0: as long as policy allows
	DryRun   bool          // check, and write nothing
}

// Request writes an access request. Whether it is granted, and who must approve, is the policy's to say.
func (d *Desk) Request(ctx context.Context, r AccessRequest, actor Actor) (RequestReceipt, error) {
	if !slices.Contains([]event.RequestKind{event.RequestGrant, event.RequestRevoke, event.RequestExtend}, r.Kind) {
		return RequestReceipt{}, fault(Invalid, "kind is %q: give grant, revoke or extend", r.Kind)
	}
	if strings.TrimSpace(r.Reason) == "" {
		return RequestReceipt{}, fault(Invalid, "give a reason: it becomes evidence")
	}
	if r.Duration < 0 {
		return RequestReceipt{}, fault(Invalid, "a duration cannot be negative")
	}
	id, err := d.Find(r.For)
	if err != nil {
		return RequestReceipt{}, err
	}
	if err := d.knownRole(r.Role); err != nil {
		return RequestReceipt{}, err
	}
	request := event.AccessRequest{ID: d.NewID(), Kind: r.Kind, IdentityID: id, Role: r.Role, Requester: event.IdentityID(actor.String()),
		Reason: r.Reason, DurationMS: r.Duration.Milliseconds(), RequestedAt: d.Clock.Now()}
	receipt := RequestReceipt{ID: request.ID, Kind: string(r.Kind), Role: r.Role, IdentityID: id, Requester: actor.String(),
		DurationMS: request.DurationMS, DryRun: r.DryRun}
	if r.DryRun {
		return receipt, nil
	}
	return receipt, d.append(ctx, event.AccessRequests, string(id), request)
}

// append encodes one record and writes it.
func (d *Desk) append(ctx context.Context, topic event.Topic, key string, v any) error {
	value, err := d.Codec.Encode(string(topic), v)
	if err != nil {
		return unavailable("encode a record for "+string(topic), err)
	}
	if err := d.Journal.Append(ctx, Outgoing{Topic: topic, Key: key, Value: value}); err != nil {
		return unavailable("write to "+string(topic), err)
	}
	return nil
}

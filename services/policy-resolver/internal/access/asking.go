package access

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// askApproval hands the request to those who decide, as policy and directory name them now.
func (w *Work) askApproval(q event.AccessRequest, plan Request) {
	c := w.State.caseOf(w.caseID)
	stages, err := w.stages(plan)
	if err != nil {
		w.refuse(c, q.Role, q.ID, refusedApprovers, err.Error())
		return
	}
	var entitlements []string
	for _, g := range w.Bundle.Grants(q.Role) {
		entitlements = append(entitlements, g.String())
	}
	slices.Sort(entitlements)
	w.out.Approvals = append(w.out.Approvals, &event.ApprovalRequest{RequestID: q.ID, CaseID: w.caseID, IdentityID: w.ID, Role: q.Role,
		Entitlements: entitlements, Process: plan.Process, Requester: q.Requester, Reason: q.Reason, Policy: w.Bundle.Hash(),
		DurationMS: plan.Duration, RequestedAt: w.Now, Stages: stages})
	plan.Asked = hashOf(stages)
	w.State.Requests = append(w.State.Requests, plan)
	c.Request = q.ID
	w.tell(*c, event.CaseWaiting, event.CaseOpen, "approval")
}

// stages are who decides a request: by its process, and by that of the waiver it needs.
func (w *Work) stages(q Request) ([]event.ApprovalStage, error) {
	out, err := w.process(q.Process)
	if err != nil || q.Waiver == "" {
		return out, err
	}
	had := append(w.State.LiveRoles(), q.Role)
	for _, c := range w.Bundle.Conflicts(had) {
		if c.Name != q.Waiver || c.Waiver == nil {
			continue
		}
		more, err := w.process(c.Waiver.Approval)
		if err != nil {
			return nil, err
		}
		out = append(out, more...)
	}
	return out, nil
}

func (w *Work) process(name string) ([]event.ApprovalStage, error) {
	in := w.input(*w.State.Person)
	var out []event.ApprovalStage
	for _, s := range w.Bundle.Stages(name) {
		stage := event.ApprovalStage{Name: s.Name, Quorum: s.Quorum, Exclude: s.Exclude,
			EscalateAfterMS: s.EscalateAfter.Milliseconds(), DenyAfterMS: s.DenyAfter.Milliseconds()}
		for _, list := range []struct {
			into *[]event.IdentityID
			who  func(approval, stage string, in policy.Input) ([]event.IdentityID, error)
		}{{&stage.Approvers, w.Bundle.Approvers}, {&stage.EscalateTo, w.Bundle.EscalateTo}, {&stage.Fallback, w.Bundle.Fallback}} {
			ids, err := list.who(name, s.Name, in)
			if err != nil {
				return nil, fmt.Errorf("find who decides: %w", err)
			}
			*list.into = ids
		}
		out = append(out, stage)
	}
	return out, nil
}

func hashOf(stages []event.ApprovalStage) string {
	b, err := json.Marshal(stages)
	if err != nil {
		panic("access: stages cannot be written as JSON: " + err.Error())
	}
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:8])
}

// Asking says whether something waits whose approvers hang on other people.
func (s State) Asking() bool { return slices.ContainsFunc(s.Requests, Request.asks) }

func (q Request) asks() bool { return !q.Done && (q.Process != "" || q.Waiver != "") }

// Revisited looks again who decides what is open: somebody else has come, moved or left.
func (w Work) Revisited() Decision {
	if w.State.Person == nil {
		return w.decide()
	}
	w.begin(trigger{kind: event.ApprovalReassigned, causation: w.Cause, effective: w.Now, known: w.Now, before: w.State.Person}, w.Now)
	w.askAgain()
	return w.decide()
}

// askAgain tells who decides from now on what waits for approval, where that has changed. What cannot be worked out, or
// has other stages by a new policy, goes on as it was asked.
func (w *Work) askAgain() {
	if w.State.Person == nil {
		return
	}
	for i := range w.State.Requests {
		q := &w.State.Requests[i]
		if !q.asks() {
			continue
		}
		stages, err := w.stages(*q)
		if hash := hashOf(stages); err == nil && hash != q.Asked {
			q.Asked = hash
			w.out.Approvals = append(w.out.Approvals, &event.ApprovalRequest{RequestID: q.ID, CaseID: q.Case, IdentityID: w.ID, Role: q.Role,
				Requester: q.Actor, Policy: w.Bundle.Hash(), RequestedAt: w.Now, Stages: stages, DurationMS: q.Duration})
		}
	}
}

// askBack asks for a privileged role that an end took away, now that the end is taken back. It has a case of its own.
func (w *Work) askBack(a Assignment, info policy.RoleInfo) {
	by, cause := w.by, w.caseID
	q := event.AccessRequest{ID: event.DeriveID("rq", 0, w.Cause, string(w.ID), a.Role), Kind: event.RequestGrant, IdentityID: w.ID, Role: a.Role,
		Requester: Actor, Reason: "The person had it before an end that was taken back.", RequestedAt: w.Now}
	if !a.Expires.IsZero() {
		q.DurationMS = a.Expires.Sub(w.at).Milliseconds()
	}
	w.by = trigger{kind: event.AccessRequested, source: by.source, causation: string(cause), effective: by.effective, known: by.known, before: by.before, cause: cause}
	w.open(event.CaseID(event.DeriveID("case", 0, q.ID)), nil)
	w.access(event.AccessEvent{Meta: event.Meta{Kind: event.AccessRequested, Role: q.Role, Reason: string(q.Kind), Message: q.Reason}, RequestID: q.ID, Privilege: true})
	if plan, waives := w.plan(q, info); plan.Process != "" || waives {
		w.askApproval(q, plan)
	} else {
		w.grant(Request{ID: q.ID, Kind: q.Kind, Role: q.Role, Case: w.caseID}, a.Expires, nil)
	}
	w.by, w.caseID = by, cause
}

package access_test

import (
	"fmt"
	"strings"

	"joinery.internal/pkg/event"
	"joinery.internal/services/policy-resolver/internal/access"
)

// show takes a decision over and writes what it says.
func (p *play) show(d access.Decision) {
	p.state, p.wake = d.State, d.WakeAt
	for _, e := range d.Events {
		switch e := e.(type) {
		case *event.CaseEvent:
			p.showCase(e)
		case *event.AccessEvent:
			p.showAccess(e)
		}
	}
	for _, q := range d.Approvals {
		p.showApproval(q)
	}
	for _, want := range d.Desired {
		p.desired[want.Target] = want
	}
	for _, q := range d.Handovers {
		fmt.Fprintf(&p.out, "to %s: %v\n", q.IdentityID, q.Accounts)
	}
	for _, f := range d.Facts {
		fmt.Fprintf(&p.out, "fact: %s %s (%s)\n", f.Record.Kind, f.IdentityID, f.Record.Reason)
	}
	if d.Members != nil {
		fmt.Fprintf(&p.out, "members: %s\n", strings.Join(d.Members.Roles, ", "))
	}
}

func (p *play) name(id event.CaseID) string {
	if _, known := p.cases[id]; !known {
		p.cases[id] = fmt.Sprintf("case %d", len(p.cases)+1)
	}
	return p.cases[id]
}

func (p *play) showCase(e *event.CaseEvent) {
	fmt.Fprintf(&p.out, "%s %s", p.name(e.CaseID), strings.TrimPrefix(string(e.Kind), "case."))
	switch e.Kind {
	case event.CaseOpened:
		fmt.Fprintf(&p.out, ": %s, effective %s", e.Trigger, stamp(e.EffectiveAt))
		if e.Cause != "" {
			fmt.Fprintf(&p.out, ", scheduled by %s", p.name(e.Cause))
		}
	default:
		fmt.Fprintf(&p.out, ": %s", e.Outcome)
		if e.Reason != "" {
			fmt.Fprintf(&p.out, " (%s)", e.Reason)
		}
		if len(e.Waiting) > 0 {
			fmt.Fprintf(&p.out, ", waits for %s", strings.Join(e.Waiting, ", "))
		}
		if e.Kind == event.CaseCompleted || e.Kind == event.CaseRemediated {
			fmt.Fprintf(&p.out, ", %d changes", e.Changes)
		}
		if e.EventToAccessMS != nil {
			fmt.Fprintf(&p.out, ", %d ms", *e.EventToAccessMS)
		}
	}
	p.out.WriteByte('\n')
}

func (p *play) showAccess(e *event.AccessEvent) {
	verb := strings.TrimPrefix(string(e.Kind), "access.")
	switch e.Kind {
	case event.AccessDesiredChanged:
		d := e.Desired
		name := d.AccountName
		if d.Numbered {
			name += "+"
		}
		fmt.Fprintf(&p.out, "  %s v%d %s %s [%s] %v lane %s", d.Target, d.Version, d.State, name, strings.Join(d.Entitlements, " "), d.Attributes, d.Lane)
		for _, a := range d.Approvals {
			fmt.Fprintf(&p.out, " proof %s", a.RequestID)
		}
	case event.AccessRevokeScheduled:
		fmt.Fprintf(&p.out, "  %s (%s): %s", verb, e.Reason, e.Message)
	case event.ExceptionOpened, event.ExceptionResolved:
		fmt.Fprintf(&p.out, "  %s %s: %s", e.Kind, e.Class, e.Message)
	default:
		fmt.Fprintf(&p.out, "  %s %s%s (%s)", verb, e.Role, e.Target, e.Reason)
		if e.Privilege {
			p.out.WriteString(" privileged")
		}
		if !e.Until.IsZero() {
			fmt.Fprintf(&p.out, " until %s", stamp(e.Until))
		}
	}
	p.out.WriteByte('\n')
}

func (p *play) showApproval(q *event.ApprovalRequest) {
	if q.Cancelled {
		fmt.Fprintf(&p.out, "  approval %s cancelled\n", q.RequestID)
		return
	}
	switch {
	case q.Task:
		fmt.Fprintf(&p.out, "  task %s, %q:", q.Process, q.Reason)
	case len(q.Entitlements) > 0:
		fmt.Fprintf(&p.out, "  approval %s asked for %v:", q.RequestID, q.Entitlements)
	default:
		fmt.Fprintf(&p.out, "  approval %s:", q.RequestID)
	}
	for _, s := range q.Stages {
		fmt.Fprintf(&p.out, " %s by %v", s.Name, s.Approvers)
	}
	p.out.WriteByte('\n')
}

package policy

import (
	"fmt"
	"slices"
	"time"

	"joinery.internal/pkg/event"
)

// Stage is one step of an approval process.
type Stage struct {
	Name          string
	Quorum        int
	Exclude       []string      // "requester", "beneficiary", "previous"
	EscalateAfter time.Duration // zero: never
	DenyAfter     time.Duration // zero: never
	HasFallback   bool
}

type stage struct {
	Stage
	approvers  *program
	escalateTo *program
	fallback   *program
}

// Stages returns the stages of an approval process in order; none if the bundle lacks it.
func (b *Bundle) Stages(approval string) []Stage {
	stages := b.approvals[approval]
	out := make([]Stage, len(stages))
	for i, s := range stages {
		out[i] = s.Stage
		out[i].Exclude = slices.Clone(s.Exclude)
	}
	return out
}

// Approvers returns who decides a stage, before anybody is excluded. It may be nobody: then the fallback decides.
func (b *Bundle) Approvers(approval, stage string, in Input) ([]event.IdentityID, error) {
	return b.people(approval, stage, "approvers", &in)
}

// EscalateTo returns who decides when the approvers took too long; nobody if the stage does not escalate.
func (b *Bundle) EscalateTo(approval, stage string, in Input) ([]event.IdentityID, error) {
	return b.people(approval, stage, "escalateTo", &in)
}

// Fallback returns who decides when there is no approver; nobody if the stage names none.
func (b *Bundle) Fallback(approval, stage string, in Input) ([]event.IdentityID, error) {
	return b.people(approval, stage, "fallback", &in)
}

func (b *Bundle) people(approval, name, which string, in *Input) ([]event.IdentityID, error) {
	i := slices.IndexFunc(b.approvals[approval], func(s stage) bool { return s.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("find %s of stage %q of approval %q: %w", which, name, approval, ErrUnknown)
	}
	s := b.approvals[approval][i]
	p := map[string]*program{"approvers": s.approvers, "escalateTo": s.escalateTo, "fallback": s.fallback}[which]
	if p == nil {
		return nil, nil
	}
	ids, err := b.ids(p, in)
	if err != nil {
		return nil, fmt.Errorf("find %s of stage %s of approval %s: %w", which, name, approval, err)
	}
	return ids, nil
}

package desk

import (
	"context"
	"time"

	"joinery.internal/pkg/policy"
)

// Explanation is why somebody has a role, from the decision that gave it.
type Explanation struct {
	ID        string            `json:"id" doc:"the role"`
	Reason    string            `json:"reason" doc:"birthright, approved, requested, restored"`
	Rule      string            `json:"rule" doc:"file:line:column of what decided; empty for what was asked for"`
	Values    map[string]string `json:"values" doc:"what the rule read"`
	Grants    []string          `json:"grants" doc:"entitlements, by the policy in force"`
	Since     time.Time         `json:"since"`
	Until     time.Time         `json:"until,omitzero" doc:"when it ends by itself"`
	Ending    string            `json:"ending,omitempty" doc:"why it ends, where it is kept for a grace"`
	RequestID string            `json:"request_id,omitempty"`
	CaseID    string            `json:"case_id"`
	Policy    string            `json:"policy" doc:"that decided"`
}

// Explain says of each role somebody has why they have it.
func (d *Desk) Explain(ctx context.Context, name string) ([]Explanation, error) {
	id, err := d.Find(name)
	if err != nil {
		return nil, err
	}
	out, err := d.Archive.Decisions(ctx, id)
	if err != nil {
		return nil, unavailable("read the decisions from the evidence", err)
	}
	current, ok, err := d.Policies.Current()
	if err != nil || !ok {
		return out, err
	}
	bundle, err := policy.Compile(current.Config)
	if err != nil {
		return nil, unavailable("compile the policy in force", err)
	}
	for i := range out {
		out[i].Grants = []string{}
		for _, g := range bundle.Grants(out[i].ID) {
			out[i].Grants = append(out[i].Grants, g.String())
		}
	}
	return out, nil
}

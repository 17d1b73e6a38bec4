package policy

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
)

// TestResult is the outcome of one test of a policy.
type TestResult struct {
	Policy   string
	Name     string
	File     string
	Line     int
	Column   int
	Passed   bool
	Failures []string // what came out otherwise, with what was expected
}

// Test runs the tests of all policies, in their order.
func (b *Bundle) Test() []TestResult {
	out := make([]TestResult, len(b.tests))
	for i, t := range b.tests {
		at := t.spec.Name.Pos
		failures := b.failures(t.spec)
		out[i] = TestResult{t.policy, t.spec.Name.Value, at.File, at.Line, at.Column, len(failures) == 0, failures}
	}
	return out
}

func (b *Bundle) failures(t config.Test) []string {
	in := Input{Person: t.Given.Person.Person(), Now: t.Given.At()}
	if t.Given.Before != nil {
		before := t.Given.Before.Person()
		in.Before = &before
	}
	if e := t.Given.Event; e != nil {
		in.Event = EventInfo{Kind: e.Kind, Source: e.Source, Reason: e.Reason, EffectiveAt: in.Now}
	}
	roles, err := b.granted(in)
	if err != nil {
		return []string{err.Error()}
	}
	var out []string
	if t.Expect.Roles != nil {
		want := []string{}
		for _, r := range *t.Expect.Roles {
			want = append(want, r.Value)
		}
		slices.Sort(want)
		if !slices.Equal(slices.Compact(want), roles) {
			out = append(out, fmt.Sprintf("roles: want [%s], got [%s]", strings.Join(want, ", "), strings.Join(roles, ", ")))
		}
	}
	if t.Expect.Keep != nil {
		want := maps.Collect(t.Expect.Keep.All())
		got, err := b.kept(in, roles)
		if err != nil {
			return append(out, err.Error())
		}
		if !maps.Equal(want, got) {
			out = append(out, fmt.Sprintf("keep: want %s, got %s", graces(want), graces(got)))
		}
	}
	return out
}

// granted returns the roles a person has by birthright, sorted.
func (b *Bundle) granted(in Input) ([]string, error) {
	roles := []string{}
	if in.Person.Status == event.StatusEnded {
		return roles, nil
	}
	decisions, err := b.Birthright(in)
	for _, d := range decisions {
		if d.Granted {
			roles = append(roles, d.Role)
		}
	}
	return roles, err
}

// kept returns the roles that the person had before, has no more, and keeps for a while. Who has left keeps none.
func (b *Bundle) kept(in Input, now []string) (map[string]time.Duration, error) {
	out := map[string]time.Duration{}
	if in.Before == nil || in.Person.Status == event.StatusEnded {
		return out, nil
	}
	had, err := b.granted(Input{Person: *in.Before, Event: in.Event, Now: in.Now, Dir: in.Dir})
	if err != nil {
		return nil, fmt.Errorf("before: %w", err)
	}
	for _, role := range had {
		if grace := b.Grace(role); grace > 0 && !slices.Contains(now, role) {
			out[role] = grace
		}
	}
	return out, nil
}

func graces(m map[string]time.Duration) string {
	var parts []string
	for _, role := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, role+": "+days(m[role]))
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// days writes a duration as people write it in a policy: 14d, not 2w.
func days(d time.Duration) string {
	if day := 24 * time.Hour; d > 0 && d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return model.Duration(d).String()
}

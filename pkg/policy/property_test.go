package policy_test

import (
	"errors"
	"os"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/policy"
)

func TestTestsOfAPolicyPassOrSayWhatCameOut(t *testing.T) {
	t.Parallel()
	for _, r := range good(t).Test() {
		if !r.Passed {
			t.Errorf("%s: %v", r.Name, r.Failures)
		}
	}
	b := compile(t, `
  lifecycle: {mover: {grace: 14d}}
  roles:
    a: {birthright: 'person.department == "A"'}
    b: {birthright: 'person.department == "B"'}
    p: {birthright: 'person.department == "A"', privileged: true}
  tests:
    - name: wrong
      given: {before: {department: A}, person: {department: B}}
      expect: {roles: [a], keep: {a: 7d, p: 1d}}
    - name: who has left keeps nothing
      given: {before: {department: A}, person: {department: A, status: ended}}
      expect: {roles: [], keep: {}}
`)
	got := b.Test()
	want := []string{"roles: want [a], got [b]", "keep: want {a: 7d, p: 1d}, got {a: 14d}"}
	if got[0].Passed || !slices.Equal(got[0].Failures, want) || got[0].Line != 12 || !got[1].Passed {
		t.Errorf("got %+v", got)
	}
}

func TestTheSameInputGivesTheSameDecisionsAlsoAtTheSameTime(t *testing.T) {
	t.Parallel()
	b := good(t)
	rapid.Check(t, func(t *rapid.T) {
		p := alice()
		p.Department = rapid.SampledFrom([]string{"Finance", "Sales", ""}).Draw(t, "department")
		p.WorkerType = rapid.SampledFrom([]string{"employee", "contractor"}).Draw(t, "worker type")
		in := policy.Input{Person: p, Now: now, Dir: company}
		results := make(chan []policy.RoleDecision, 4)
		for range cap(results) {
			go func() {
				got, err := b.Birthright(in)
				if err != nil {
					t.Errorf("birthright: %v", err)
				}
				results <- got
			}()
		}
		first := <-results
		for range cap(results) - 1 {
			if again := <-results; !reflect.DeepEqual(first, again) {
				t.Fatalf("%+v and %+v", first, again)
			}
		}
		if first[0].Granted != (p.Department == "Finance") || first[1].Granted != (p.WorkerType == "employee") {
			t.Fatalf("wrong decisions %+v of %+v", first, p)
		}
	})
}

// Whatever the file says, it is compiled or every fault in it has a place.
func FuzzCheckNeverPanics(f *testing.F) {
	for _, name := range []string{"policy/corp.yaml", "targets/chat.yaml", "sources/hr.yaml"} {
		data, err := os.ReadFile("../config/testdata/good/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		bundle, err := policy.Check(config.Load([]config.File{{Name: "policy/p.yaml", Data: data}}))
		var faults config.Faults
		switch {
		case err == nil:
			bundle.Test()
		case !errors.As(err, &faults):
			t.Fatalf("error of type %T: %v", err, err)
		}
	})
}

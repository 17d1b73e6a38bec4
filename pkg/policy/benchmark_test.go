package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"joinery.internal/pkg/policy"
)

// BenchmarkBirthright50Roles decides a person over 50 roles; people/s is what a simulation over a population can reach
// on one core.
func BenchmarkBirthright50Roles(b *testing.B) {
	var spec strings.Builder
	spec.WriteString("  roles:\n")
	for i := range 50 {
		fmt.Fprintf(&spec, "    role-%02d: {birthright: 'person.worker_type == \"employee\" && person.department == \"D%d\"', grants: [chat:group/g%d]}\n", i, i, i)
	}
	bundle := compile(b, spec.String())
	in := policy.Input{Person: alice(), Now: now}
	in.Person.Department = "D7"
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bundle.Birthright(in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "people/s")
}

func BenchmarkAccount(b *testing.B) {
	bundle := good(b)
	in := policy.Input{Person: alice()}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bundle.Account("chat", in); err != nil {
			b.Fatal(err)
		}
	}
}

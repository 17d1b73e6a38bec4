package policy_test

import (
	"fmt"
	"testing"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/policy"
)

// with compiles a policy of these roles over two targets.
func with(t *testing.T, roles string) *policy.Bundle {
	t.Helper()
	target := func(name string) config.File {
		return config.File{Name: "targets/" + name + ".yaml", Data: []byte("apiVersion: joinery/v1\nkind: Target\nmetadata: {name: " + name + "}\nspec: {connector: memory, account: {name: person.id}, entitlements: [role]}\n")}
	}
	b, err := policy.Check(config.Load([]config.File{target("erp"), target("chat"), {Name: "policy/p.yaml",
		Data: []byte("apiVersion: joinery/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  roles:\n" + roles +
			"  separationOfDuties:\n    - {name: apart, roles: [payer, auditor], atMost: 1}\n")}}))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAComparisonSaysWhoGainsAndLosesWhatAndWhatIsBroken(t *testing.T) {
	t.Parallel()
	const auditor = "    auditor: {requestable: {}, grants: [erp:role/audit]}\n"
	now := with(t, "    payer: {birthright: 'person.department == \"Finance\"', grants: [erp:role/pay]}\n    news: {requestable: {}, grants: [chat:role/news]}\n"+auditor)
	next := with(t, "    payer: {birthright: 'person.title == \"Payer\"', grants: [erp:role/pay, erp:role/read]}\n    news: {requestable: {when: 'person.department == \"Sales\"'}, grants: [chat:role/news]}\n"+auditor)
	for _, c := range []struct {
		department, title string
		roles             []string
		want              string
	}{
		{"Finance", "Clerk", []string{"payer"}, "{Gains:[] Loses:[payer] Adds:[] Removes:[erp:account erp:role/pay] Conflicts:[]}"},
		{"Finance", "Payer", []string{"payer"}, "{Gains:[] Loses:[] Adds:[erp:role/read] Removes:[] Conflicts:[]}"},
		{"Sales", "Payer", []string{"auditor", "news"}, "{Gains:[payer] Loses:[] Adds:[erp:role/pay erp:role/read] Removes:[] Conflicts:[apart]}"},
		{"Finance", "Clerk", []string{"news"}, "{Gains:[] Loses:[news] Adds:[] Removes:[chat:account chat:role/news] Conflicts:[]}"},
		{"Sales", "Clerk", []string{"news"}, "{Gains:[] Loses:[] Adds:[] Removes:[] Conflicts:[]}"},
	} {
		p := event.Person{ID: "p-1", Status: event.StatusActive, Profile: event.Profile{Department: c.department, Title: c.title}}
		got, err := policy.Compare(now, next, policy.Holder{Person: p, Roles: c.roles}, time.Now())
		if s := fmt.Sprintf("%+v", got); err != nil || s != c.want {
			t.Errorf("%s %s with %v: %s, %v\nwant %s", c.department, c.title, c.roles, s, err, c.want)
		}
	}
}

func TestAnEventOfThePastIsDecidedByTwoPolicies(t *testing.T) {
	t.Parallel()
	rules := func(payer, staff, grace string) *policy.Bundle {
		return with(t, fmt.Sprintf("    payer: {birthright: '%s', grants: [erp:role/pay]}\n    auditor: {birthright: '%s', grants: [chat:account]}\n"+
			"  lifecycle: {mover: {grace: %s}}\n", payer, staff, grace))
	}
	const finance = `person.department == "Finance"`
	base := rules(finance, "true", "14d")
	for name, c := range map[string]struct {
		next *policy.Bundle
		want string
	}{
		"the same":         {rules(finance, "true", "14d"), "{Gains:[] Loses:[] Keeps:[]}"},
		"a shorter grace":  {rules(finance, "true", "2d"), "{Gains:[] Loses:[] Keeps:[payer: 2d, was 14d]}"},
		"Sales pays too":   {rules(`person.department != ""`, "true", "14d"), "{Gains:[payer] Loses:[] Keeps:[]}"},
		"nobody audits":    {rules(finance, "false", "14d"), "{Gains:[] Loses:[auditor] Keeps:[]}"},
		"Finance audits":   {rules(finance, finance, "14d"), "{Gains:[] Loses:[auditor] Keeps:[auditor: 14d, was 0s]}"},
		"nobody ever paid": {rules("false", "true", "14d"), "{Gains:[] Loses:[] Keeps:[payer: 0s, was 14d]}"},
	} {
		before := event.Person{ID: "p-1", Status: event.StatusActive, Profile: event.Profile{Department: "Finance"}}
		now := before
		now.Department = "Sales"
		got, err := policy.Revisit(base, c.next, policy.Input{Person: now, Before: &before, Event: policy.EventInfo{Kind: "identity.department_change"}, Now: time.Now()})
		if s := fmt.Sprintf("%+v", got); err != nil || s != c.want {
			t.Errorf("%s: %s, %v; want %s", name, s, err, c.want)
		}
	}
}

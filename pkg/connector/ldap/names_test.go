package ldap_test

import (
	"fmt"
	"sync"
	"testing"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/ldap"
)

func TestTwoWhoAreMadeAtATimeInTwoContainersNeverHaveOneName(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.reset(t)
	s := d.settings(d.URL)
	s.Attributes = append([]string{"parent"}, s.Attributes...)
	containers := []string{"finance", "sales"}
	clients := make([]*ldap.Client, len(containers))
	for i, ou := range containers {
		d.container(t, ou)
		clients[i] = open(t, s)
	}
	for round := range 30 {
		name := fmt.Sprint("ana", round)
		var wg sync.WaitGroup
		for i, ou := range containers {
			wg.Go(func() {
				o := connector.Object{Ref: connector.Ref{Account: name, ExternalID: ou + name}, Enabled: true, Attributes: map[string]string{"parent": "ou=" + ou}}
				_, err := clients[i].Apply(t.Context(), connector.Op{Key: "k", Verb: connector.Create, Ref: o.Ref, Want: o})
				if err != nil && connector.ClassOf(err) != connector.Conflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if found := d.search(t, d.People, "(uid="+name+")", "uid"); len(found) > 1 {
			t.Fatalf("round %d: %s and %s", round, found[0].DN, found[1].DN)
		}
	}
}

func TestAnAttributeThatTheTargetFileDoesNotMapIsNotWritten(t *testing.T) {
	t.Parallel()
	d := newSlapd(t)
	d.reset(t)
	_, err := connector.Drive(t.Context(), open(t, d.settings(d.URL)), "k", ana(map[string]string{"userPassword": "known to whoever wrote the record"}))
	if connector.ClassOf(err) != connector.Unsupported || len(d.objects(t)) > 0 {
		t.Errorf("%v, want unsupported", err)
	}
}

func TestARenameThatIsCutOffLeavesNoNameInAGroupThatNobodyHas(t *testing.T) {
	t.Parallel()
	d, members := newPosixGroup(t)
	want := ana(nil)
	want.RemoteID = drive(t, open(t, d.settings(d.URL)), want).RemoteID
	p := newProxy(t, d.URL)
	c := open(t, d.settings(p.URL()))
	if _, err := c.Describe(t.Context()); err != nil {
		t.Fatal(err)
	}
	want.Account = "ana.novak"
	p.Next(connectortest.HTTPFault{Cut: true, AfterCommit: true, OnlyWrites: true})
	if _, err := connector.Drive(t.Context(), c, "k", want); connector.ClassOf(err) != connector.Ambiguous {
		t.Fatalf("%v, want ambiguous", err)
	}
	for _, name := range members() {
		if len(d.search(t, d.People, "(uid="+name+")", "uid")) == 0 {
			t.Errorf("whoever is called %s next is in the group", name)
		}
	}
	drive(t, c, want)
	if got := members(); len(got) != 1 || got[0] != "ana.novak" {
		t.Errorf("in the end the group has %q", got)
	}
}

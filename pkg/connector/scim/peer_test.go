package scim_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/scim"
	"joinery.internal/pkg/connector/scim/scimmytest"
)

// peer is a scimmy server as the conformance kit wants it.
type peer struct{ scimmytest.Peer }

func (p peer) objects(t *testing.T) []connector.Object {
	t.Helper()
	s := p.Inspect(t)
	var out []connector.Object
	for _, u := range s.Users {
		o := connector.Object{
			Ref:        connector.Ref{Account: u.UserName, RemoteID: u.ID, ExternalID: u.ExternalID},
			Enabled:    u.Active == nil || *u.Active,
			Attributes: map[string]string{"title": u.Title, "enterprise.department": u.Enterprise.Department},
		}
		for _, g := range s.Groups {
			for _, m := range g.Members {
				if m.Value == u.ID {
					o.Entitlements = append(o.Entitlements, "group/"+g.DisplayName)
				}
			}
		}
		slices.Sort(o.Entitlements)
		out = append(out, o)
	}
	return out
}

func (p peer) open(t *testing.T, url string, timeout time.Duration) *scim.Client {
	t.Helper()
	c, err := scim.Open(connector.Settings{
		Name: "peer", Connector: "scim", Timeout: timeout, Entitlements: []string{"group"},
		Connection: map[string]string{"url": url, "token": scimmytest.Token},
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func TestSCIMConformsAgainstScimmy(t *testing.T) {
	t.Parallel()
	p := peer{scimmytest.Start(t)}
	base := p.Origin + "/scim"
	connectortest.Run(t, connectortest.Harness{
		New:        func(t *testing.T) connector.Connector { return p.open(t, base, 0) },
		Reset:      p.Reset,
		Inspect:    p.objects,
		Attributes: [2]string{"title", "enterprise.department"},
		Kind:       "group",
		HTTP: &connectortest.HTTP{
			URL: base, Secret: scimmytest.Token,
			Open: func(t *testing.T, url string, timeout time.Duration) connector.Connector {
				return p.open(t, url, timeout)
			},
		},
	})
	t.Run("every mapped attribute arrives where it belongs", func(t *testing.T) { attributesArrive(t, p, base) })
	t.Run("parallel grants of a new group create it once", func(t *testing.T) { groupCreatedOnce(t, p, base) })
}

func attributesArrive(t *testing.T, p peer, base string) {
	p.Reset(t)
	c := p.open(t, base, 0)
	want := connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active, Attributes: map[string]string{
		"title": "Engineer", "displayName": " Ana Berg ", "name.givenName": "Ana", "name.familyName": "Berg",
		"emails.work": "Ana.Berg@acme.example", "emails.home": "ana@home.example", "phoneNumbers.work": "+420 123",
		"addresses.work.locality": "Prague", "enterprise.department": "Finance", "enterprise.manager": "m-1",
	}}
	for _, step := range []struct {
		name, value string
		changes     int
	}{
		{"title", "Engineer", 1}, // the create
		{"emails.work", "ana.novak@acme.example", 1},
		{"emails.home", "", 1},
		{"emails.home", "new@home.example", 1},
		{"name.familyName", "Novák", 1},
		{"enterprise.department", "Sales", 1},
		{"enterprise.manager", "m-2", 1},
		{"addresses.work.locality", "Brno", 1},
		{"phoneNumbers.work", "", 1},
	} {
		want.Attributes[step.name] = step.value
		out, err := connector.Drive(t.Context(), c, "k", want)
		if err != nil {
			t.Fatalf("%s=%q: %v", step.name, step.value, err)
		}
		if len(out.Changes) != step.changes {
			t.Errorf("%s=%q: %d changes, want %d", step.name, step.value, len(out.Changes), step.changes)
		}
		if out, err = connector.Drive(t.Context(), c, "k", want); err != nil || !out.Unchanged() {
			t.Errorf("%s=%q: the second drive made %+v, %v", step.name, step.value, out.Changes, err)
		}
	}
	u := p.Inspect(t).Users[0]
	got := fmt.Sprintln(u.Title, u.DisplayName, u.Emails, u.Enterprise)
	if want := fmt.Sprintln("Engineer", "Ana Berg", "[{work ana.novak@acme.example} {home new@home.example}]", "{Sales {m-2}}"); got != want {
		t.Errorf("the peer has %swant %s", got, want)
	}
}

func groupCreatedOnce(t *testing.T, p peer, base string) {
	p.Reset(t)
	c := p.open(t, base, 0)
	errs := make(chan error)
	const n = 8
	for i := range n {
		go func() {
			_, err := connector.Drive(t.Context(), c, "k", connector.Desired{
				Account: fmt.Sprint("user", i), ExternalID: fmt.Sprint("id-", i), State: connector.Active,
				Entitlements: []string{"group/all"}, ManagedKinds: []string{"group"},
			})
			errs <- err
		}()
	}
	for range n {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	groups := p.Inspect(t).Groups
	if len(groups) != 1 || len(groups[0].Members) != n {
		t.Errorf("the peer has %+v, want one group of %d", groups, n)
	}
}

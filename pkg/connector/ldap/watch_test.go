package ldap_test

import (
	"context"
	"iter"
	"testing"
	"time"

	goldap "github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/ldap"
	"joinery.internal/pkg/connector/ldap/ldaptest"
)

func TestSlapdTellsOfWhatOthersChange(t *testing.T) {
	t.Parallel()
	newSlapd(t).tells(t)
}

func TestSambaTellsOfWhatOthersChange(t *testing.T) {
	t.Parallel()
	s := ldaptest.StartSamba(t)
	d := directory{Server: s, admin: s.AdminConn(), connector: "ad", attributes: [2]string{"title", "physicalDeliveryOfficeName"}}
	d.Service = d.Admin // who may replicate directory changes
	d.tells(t)
}

// listener hears what a directory tells, one change at a time.
type listener struct {
	t    *testing.T
	next func() (connector.Change, error, bool)
}

func listen(t *testing.T, c *ldap.Client, token string) listener {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	next, stop := iter.Pull2(c.Changes(ctx, token))
	t.Cleanup(func() { cancel(); stop() })
	return listener{t, next}
}

// hears waits for a change that is as wanted; what the directory says of its own before it does not matter.
func (l listener) hears(what string, ok func(connector.Change) bool) connector.Change {
	l.t.Helper()
	for {
		change, err, more := l.next()
		if err != nil || !more {
			l.t.Fatalf("waiting for %s: %v", what, err)
		}
		if ok(change) {
			return change
		}
	}
}

func (d directory) tells(t *testing.T) {
	d.reset(t)
	c := open(t, d.settings(d.TLSURL))
	if found, err := c.Describe(t.Context()); err != nil || !found.Watch {
		t.Fatalf("described as %+v, %v", found, err)
	}
	drive(t, c, ana(nil))
	l := listen(t, c, "")
	dn := d.one(t).DN
	go func() { // a watch begins some time after it was asked for: say it until it is heard
		for i := 0; t.Context().Err() == nil; i++ {
			set := goldap.NewModifyRequest(dn, nil)
			set.Replace("title", []string{[]string{"Boss", "Head"}[i%2]})
			if d.admin.Modify(set) != nil {
				return
			}
			select {
			case <-time.After(200 * time.Millisecond):
			case <-t.Context().Done():
			}
		}
	}()
	changed := l.hears("another title", func(c connector.Change) bool {
		return c.Attributes["title"] == "Boss" || c.Attributes["title"] == "Head"
	})
	if changed.Account != "ana.berg" || changed.RemoteID == "" || changed.Gone || changed.Token == "" {
		t.Errorf("changed: %+v", changed)
	}
	if err := d.admin.Del(goldap.NewDelRequest(dn, nil)); err != nil {
		t.Fatal(err)
	}
	gone := func(c connector.Change) bool { return c.Gone && c.RemoteID == changed.RemoteID }
	l.hears("the account gone", gone)
	listen(t, c, changed.Token).hears("the account gone, by who was cut off before", gone)
}

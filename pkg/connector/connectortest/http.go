package connectortest

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
)

// short is the time-out of connectors whose target hangs or drips; long that of all others.
const (
	short = 400 * time.Millisecond
	long  = 30 * time.Second
)

const statusesPart = "every status has its class, and nothing was changed"

func (k kit) runHTTP(t *testing.T) {
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{statusesPart, k.statuses},
		{"an answer lost after the change is ambiguous, and the next drive makes no second one", k.lostAnswers},
		{"a target that hangs or drips ends with the time-out", k.slow},
		{"an unreachable target is transient and nothing was sent", k.unreachable},
	} {
		if k.h.HTTP.Proxy != nil && part.name == statusesPart {
			continue
		}
		t.Run(part.name, func(t *testing.T) {
			k.h.Reset(t)
			part.run(t)
		})
	}
}

// through opens the connector by way of a new proxy.
func (k kit) through(t *testing.T, timeout time.Duration) (Faulty, connector.Connector) {
	var p Faulty
	if k.h.HTTP.Proxy != nil {
		p = k.h.HTTP.Proxy(t, k.h.HTTP.URL)
	} else {
		p = NewProxy(t, k.h.HTTP.URL)
	}
	c := k.h.HTTP.Open(t, p.URL(), timeout)
	for began := time.Now(); ; { // what it must know beforehand is not what is tested, and a busy machine may take longer than the time-out
		_, err := c.Describe(t.Context())
		if err == nil {
			return p, c
		}
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > long {
			t.Fatalf("describe: %v", err)
		}
	}
}

func (k kit) statuses(t *testing.T) {
	p, c := k.through(t, long)
	for _, row := range []struct {
		status      int
		read, write connector.Class
	}{
		{400, connector.Invalid, connector.Invalid},
		{401, connector.Denied, connector.Denied},
		{403, connector.Denied, connector.Denied},
		{404, connector.Transient, connector.NotFound}, // of all accounts: where there are none, the answer is an empty list
		{409, connector.Conflict, connector.Conflict},
		{412, connector.Conflict, connector.Conflict},
		{307, connector.Unsupported, connector.Unsupported},
		{500, connector.Transient, connector.Ambiguous},
		{501, connector.Unsupported, connector.Unsupported},
		{502, connector.Transient, connector.Ambiguous},
		{503, connector.Transient, connector.Transient},
		{504, connector.Transient, connector.Ambiguous},
	} {
		o := k.account("ana.berg")
		p.Next(HTTPFault{Status: row.status})
		_, err := c.Get(t.Context(), connector.Ref{Account: "ana.berg"})
		wantClass(t, err, row.read)
		p.Next(HTTPFault{Status: row.status, OnlyWrites: true})
		_, err = c.Apply(t.Context(), connector.Op{Key: "k", Verb: connector.Create, Ref: o.Ref, Want: o})
		wantClass(t, err, row.write)
		k.noSecret(t, err)
	}
	p.Next(HTTPFault{Status: 429, RetryAfter: "7"})
	_, err := c.Get(t.Context(), connector.Ref{Account: "ana.berg"})
	wantClass(t, err, connector.Throttled)
	if got := connector.RetryAfter(err); got != 7*time.Second {
		t.Errorf("retry after %s, want 7s", got)
	}
	if all := k.h.Inspect(t); len(all) != 0 {
		t.Errorf("a call that failed created %+v", all)
	}
}

func (k kit) lostAnswers(t *testing.T) {
	for name, fault := range map[string]HTTPFault{
		"500 after commit":            {Status: 500, AfterCommit: true, OnlyWrites: true},
		"connection cut after commit": {Cut: true, AfterCommit: true, OnlyWrites: true},
		"connection cut before":       {Cut: true, OnlyWrites: true},
	} {
		t.Run(name, func(t *testing.T) {
			k.h.Reset(t)
			p, c := k.through(t, long)
			want := k.desired("ana.berg")
			for p.Next(fault); ; p.Next(fault) {
				writes := p.Writes()
				_, err := connector.Drive(t.Context(), c, "key", want)
				if err == nil {
					break
				}
				wantClass(t, err, connector.Ambiguous)
				k.noSecret(t, err)
				if got := p.Writes() - writes; got != 1 {
					t.Fatalf("the drive wrote %d times after the answer was lost", got-1)
				}
				p.Clear()
				if !fault.AfterCommit { // it would never get further
					fault = HTTPFault{}
				}
			}
			p.Clear()
			if out := k.mustDrive(t, c, want); !out.Unchanged() {
				t.Errorf("the last drive changed %q", verbs(out.Changes))
			}
			k.one(t)
		})
	}
}

func (k kit) slow(t *testing.T) {
	for name, fault := range map[string]HTTPFault{
		"hangs": {Hang: true}, "drips": {Drip: true}, "hangs after commit": {Hang: true, AfterCommit: true, OnlyWrites: true},
	} {
		t.Run(name, func(t *testing.T) {
			p, c := k.through(t, short)
			p.Next(fault)
			o := k.account("slow." + strings.ReplaceAll(name, " ", "."))
			if !fault.OnlyWrites {
				_, err := c.Get(t.Context(), o.Ref)
				wantClass(t, err, connector.Transient)
				fault.OnlyWrites = true
				p.Next(fault)
			}
			_, err := c.Apply(t.Context(), connector.Op{Key: "k", Verb: connector.Create, Ref: o.Ref, Want: o})
			wantClass(t, err, connector.Ambiguous)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want a deadline inside", err)
			}
		})
	}
}

func (k kit) unreachable(t *testing.T) {
	p, c := k.through(t, long)
	p.Close()
	o := k.account("ana.berg")
	_, err := c.Get(t.Context(), o.Ref)
	wantClass(t, err, connector.Transient)
	_, err = c.Apply(t.Context(), connector.Op{Key: "k", Verb: connector.Create, Ref: o.Ref, Want: o})
	wantClass(t, err, connector.Transient)
	k.noSecret(t, err)

	fresh := k.h.HTTP.Open(t, p.URL(), long) // opening makes no call
	findings, err := fresh.Check(t.Context())
	if err != nil {
		t.Fatalf("check: %v", err)
	}
	if len(findings) != 1 || findings[0].Level != connector.Fault || !strings.Contains(findings[0].Message, "connection.url") {
		t.Errorf("the check of an unreachable target found %+v, want a fault that names connection.url", findings)
	}
	if strings.Contains(findings[0].Message, http.MethodGet+" ") {
		t.Errorf("the finding leaks the request: %s", findings[0].Message)
	}
}

func (k kit) noSecret(t *testing.T, err error) {
	t.Helper()
	for _, secret := range []string{k.h.HTTP.Secret, k.account("x").Attributes[k.h.Attributes[0]]} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error gives away %q: %v", secret, err)
		}
	}
}

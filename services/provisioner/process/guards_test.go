package process_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/bundle"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

const (
	guardLimit = 10
	massLeaves = 60
	atATime    = 1 // call: more would blur what slips past
)

// mass is a company that leaves as a whole, from a target slow enough to be looked at meanwhile, under a guard.
type mass struct {
	*world
	s *subject

	mu   sync.Mutex
	last map[event.IdentityID]event.Kind // what became of each leaver
}

func newMass(t *testing.T) *mass {
	t.Helper()
	dir := t.TempDir()
	_, s := newFast(t, nil)
	limits := "concurrency: %d, timeout: 5s"
	write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "scim", s, fmt.Sprintf(limits, atATime)))
	m := &mass{world: newWorld(t, dir, map[string]string{"app": s.kind}), s: s, last: map[event.IdentityID]event.Kind{}}
	m.guard(fmt.Sprintf("{name: mass, action: disable, window: 1h, count: %d, per: [target]}", guardLimit))
	first := m.start("provisioner", "-instance", "a") // the name of one that comes again: nobody waits for it
	m.wantAll("app", people("leaver", massLeaves), staff)
	m.rest("app", s)
	first.Kill()
	write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "scim", s, fmt.Sprintf(limits+", rate: 25/s", atATime)))
	m.follow()
	return m
}

// guard puts a guard in force.
func (m *mass) guard(text string) {
	m.t.Helper()
	file := filepath.Join(m.dir, "policy", "corp.yaml")
	policy, err := os.ReadFile(file)
	if err != nil {
		m.t.Fatal(err)
	}
	write(m.t, file, strings.Replace(string(policy), "{roles:", "{guards: ["+text+"], roles:", 1))
	cfg, err := config.LoadDir(m.dir)
	if err != nil {
		m.t.Fatal(err)
	}
	if err := bundle.Publish(m.t.Context(), stream.Options{Seeds: m.brokers, Codec: m.codec}, cfg, "test", "test", time.Now().UTC()); err != nil {
		m.t.Fatal(err)
	}
	m.policy = cfg.Hash
}

// follow keeps what becomes of the leavers.
func (m *mass) follow() {
	client := m.open(kgo.ConsumeTopics(string(event.ProvisionEvents)))
	ctx, cancel := context.WithCancel(m.t.Context())
	var group sync.WaitGroup
	group.Go(func() {
		for ctx.Err() == nil {
			client.PollFetches(ctx).EachRecord(func(r *kgo.Record) {
				var e event.ProvisionEvent
				if err := m.codec.Decode(r.Value, r.Topic, &e); err != nil {
					m.t.Errorf("read %s/%d/%d: %v", r.Topic, r.Partition, r.Offset, err)
				}
				if e.Version == 2 && e.IdentityID != "" {
					m.mu.Lock()
					m.last[e.IdentityID] = e.Kind
					m.mu.Unlock()
				}
			})
		}
	})
	m.t.Cleanup(func() { cancel(); group.Wait() })
}

func (m *mass) leave() {
	m.wantAll("app", people("leaver", massLeaves), func(d *event.Desired) { d.State, d.Lane = event.AccountDisabled, event.LaneLeaver })
}

// disabled is how many accounts are, by the target's own word.
func (m *mass) disabled() (n int) {
	for _, o := range m.s.accounts(m.t) {
		if !o.Enabled {
			n++
		}
	}
	return n
}

// settled waits until each leaver is disabled or held, and gives how many are disabled.
func (m *mass) settled() int {
	m.t.Helper()
	done, held := 0, 0
	if !m.within(atRest, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		done, held = 0, 0
		for _, kind := range m.last {
			switch kind {
			case event.ProvisionApplied, event.ProvisionUnchanged:
				done++
			case event.ProvisionHeld:
				held++
			}
		}
		return done+held == massLeaves
	}) {
		m.t.Fatalf("%d done, %d held of %d", done, held, massLeaves)
	}
	if n := m.disabled(); n != done {
		m.t.Errorf("%d accounts are disabled, evidence tells of %d", n, done)
	}
	return done
}

// TestTwoInstancesLetThroughNoMoreThanAGuardAllowsAndOne: each has its share, rounded up (desk, package comment).
func TestTwoInstancesLetThroughNoMoreThanAGuardAllowsAndOne(t *testing.T) {
	t.Parallel()
	m := newMass(t)
	m.start("provisioner", "-instance", "a")
	m.start("provisioner", "-instance", "b")
	m.leave()
	n := m.settled()
	t.Logf("%d of %d passed a guard that lets %d through", n, massLeaves, guardLimit)
	if n < guardLimit || n > guardLimit+1 {
		t.Errorf("%d passed, want %d or one more", n, guardLimit)
	}
}

// TestAKilledProcessLetsNoMorePastAGuardThanItHadUnderWay: with `kill -9` in the middle of the window, three times.
func TestAKilledProcessLetsNoMorePastAGuardThanItHadUnderWay(t *testing.T) {
	t.Parallel()
	m := newMass(t)
	i := m.start("provisioner", "-instance", "a")
	m.leave()
	for _, n := range []int{3, 6, 9} {
		if !m.within(atRest, func() bool { return m.disabled() >= n }) {
			t.Fatalf("%d disabled, waited for %d", m.disabled(), n)
		}
		i.Kill()
		m.faults++
		i = m.start("provisioner", "-instance", "a")
	}
	n := m.settled()
	t.Logf("%d of %d passed a guard that lets %d through, over three kills", n, massLeaves, guardLimit)
	if n < guardLimit || n > guardLimit+3*(atATime+1) { // and the last transaction, at this pace one outcome
		t.Errorf("%d passed, want %d, and no more than were under way at each kill", n, guardLimit)
	}
}

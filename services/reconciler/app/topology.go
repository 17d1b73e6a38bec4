package app

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/reconciler/internal/drift"
	"joinery.internal/services/reconciler/internal/shell/listing"
)

// Name of the topology: its group, and the middle of its topics' names.
const Name = "reconciler"

var (
	rows    = stream.NewTable[drift.Row]("row")     // by rowKey
	orphans = stream.NewTable[drift.Open]("orphan") // by drift.OrphanKey: orphans that stand
	sweeps  = stream.NewTable[sweep]("sweep")       // by sweep id and target: begun, not yet compared
	plans   = stream.NewTable[plan]("plan")         // by target
)

// sweep is one that runs; it is also the effect that lists the target.
type sweep struct {
	ID     string `json:"id"`
	Target string `json:"t"`
	Reason string `json:"r"` // schedule, demand, outage, again
}

func (s sweep) key() string { return s.ID + "/" + s.Target }

// plan is when a target is swept next, and what the last sweep saw.
type plan struct {
	Next  time.Time `json:"n,omitzero"`   // by schedule
	Down  time.Time `json:"d,omitzero"`   // since when calls to the target fail, as far as this partition knows
	Total int       `json:"tt,omitempty"` // accounts in the last listing that was believed
}

// Target is how one target is reconciled.
type Target struct {
	Name  string
	Every time.Duration // between sweeps; 0: only on demand
	Rules drift.Rules
	// Services are the target's accounts that belong to no person.
	Services []drift.Service
}

// People says who is here; directory.Directory is the real one.
type People interface {
	ByEmployeeNumber(number string) (event.IdentityID, bool)
	Entry(id event.IdentityID) (event.DirectoryEntry, bool)
}

// Book makes listings; listing.Book is the real one.
type Book interface {
	Take(ctx context.Context, sweep, target string) (*drift.Listing, error)
	Changed(ctx context.Context, target string, partition int32) (*listing.News, error)
}

// watch is the effect that waits for what a target tells by itself.
type watch struct {
	target    string
	partition int32
}

type noticed struct {
	watch watch
	news  listing.News
}

type listed struct {
	sweep   sweep
	listing *drift.Listing
	took    time.Duration
	class   connector.Class // of the failure; empty: listed
	message string
}

// Topology is the reconciler's processing:
//
//	desired, provision events ---> rows: what should be, and how far the provisioner is
//	assigned ---> watch ---> Book.Changed (no transaction) ---> tick: drift.Notice ---> drift events; watch again
//	command, timer ---> sweep ---> Book.Take (no transaction) ---> tick: drift.Compare ---> drift events
//	provision events ---> drift.Repaired ---> drift.repaired, exception.resolved
func Topology(targets []Target, b Book, people People) stream.Topology {
	r := reconciler{targets: map[string]Target{}, people: people}
	for _, t := range targets {
		r.targets[t.Name] = t
	}
	return stream.Topology{
		Name: Name,
		Inputs: []stream.Input{
			{Topic: event.AccessDesired, Handle: r.desired},
			{Topic: event.ProvisionEvents, Handle: r.provisioned},
			{Topic: event.SweepCommands, Handle: r.command, Entrance: true},
		},
		Outputs:  []stream.Output{{Topic: event.DriftEvents}},
		Timer:    r.timer,
		Perform:  func(ctx context.Context, effect any) any { return perform(ctx, b, effect) },
		Result:   r.result,
		Assigned: r.assigned,
	}
}

func perform(ctx context.Context, b Book, effect any) any {
	if w, ok := effect.(watch); ok {
		news, err := b.Changed(ctx, w.target, w.partition)
		if err != nil || news == nil { // the partition is lost, or the target does not tell
			return nil
		}
		return noticed{w, *news}
	}
	s, ok := effect.(sweep)
	if !ok {
		return nil
	}
	began := time.Now()
	l, err := b.Take(ctx, s.ID, s.Target)
	if err != nil {
		return listed{sweep: s, took: time.Since(began), class: connector.ClassOf(err), message: err.Error()}
	}
	return listed{sweep: s, listing: l}
}

type reconciler struct {
	targets map[string]Target
	people  People
}

// answers says whether somebody is here to answer for an account, and whose manager's number that person notes.
func (r reconciler) answers(employeeNumber string) (here bool, manager string) {
	id, known := r.people.ByEmployeeNumber(employeeNumber)
	e, _ := r.people.Entry(id)
	return known && e.Status != event.StatusEnded, e.Manager
}

func (r reconciler) desired(tx *stream.Tx, rec stream.Record) error {
	if rec.Value == nil {
		id, target, _ := strings.Cut(rec.Key, "|")
		rows.Delete(tx, rowKey(event.IdentityID(id), target))
		return nil
	}
	d, err := stream.Decode[event.Desired](tx, rec)
	if err != nil {
		return err
	}
	if want := string(d.IdentityID) + "|" + d.Target; want != rec.Key || d.IdentityID == "" || d.Target == "" {
		return stream.Poison("key", fmt.Errorf("desired state of %q has the key %q; it must be identity_id|target", want, rec.Key))
	}
	key := rowKey(d.IdentityID, d.Target)
	row, _ := rows.Get(tx, key)
	rows.Put(tx, key, row.Desired(d))
	return nil
}

// rowKey begins with the target, so that a sweep reads its rows alone.
func rowKey(id event.IdentityID, target string) string { return target + "|" + string(id) }

func (r reconciler) provisioned(tx *stream.Tx, rec stream.Record) error {
	e, err := stream.Decode[event.ProvisionEvent](tx, rec)
	if err != nil {
		return err
	}
	r.noteOutage(tx, e)
	if r.orphanRemoved(tx, e) || e.IdentityID == "" {
		return nil
	}
	key := rowKey(e.IdentityID, e.Target)
	row, known := rows.Get(tx, key)
	if !known && e.Version == 0 { // an orphan's: no person's account has version 0
		return nil
	}
	row, settled := row.Provisioned(e)
	if settled && len(row.Open) > 0 {
		var events []event.DriftEvent
		row, events = drift.Repaired(e.Target, row, tx.Now(), rec.ID())
		r.emit(tx, events)
	}
	rows.Put(tx, key, row)
	return nil
}

// orphanRemoved takes what the provisioner made of an orphan, if that is what the event is about.
func (r reconciler) orphanRemoved(tx *stream.Tx, e event.ProvisionEvent) bool {
	key := drift.OrphanKey(e.Target, e.Account)
	open, stands := orphans.Get(tx, key)
	if !stands || e.Version != 0 {
		return false
	}
	switch e.Kind {
	case event.ProvisionApplied, event.ProvisionUnchanged, event.ProvisionAdopted:
		r.emit(tx, drift.OrphanRemoved(e.Target, open, e, tx.Now(), tx.Cause().ID()))
		orphans.Delete(tx, key)
	}
	return true
}

func (r reconciler) command(tx *stream.Tx, rec stream.Record) error {
	c, err := stream.Decode[event.SweepCommand](tx, rec)
	if err != nil {
		return err
	}
	if c.ID == "" || c.Target == "" {
		return stream.Poison("invalid", errors.New("sweep command without id or target"))
	}
	r.begin(tx, sweep{ID: c.ID, Target: c.Target, Reason: c.Reason})
	return nil
}

func (r reconciler) begin(tx *stream.Tx, s sweep) {
	if _, runs := sweeps.Get(tx, s.key()); runs {
		return
	}
	sweeps.Put(tx, s.key(), s)
	tx.Effect(s)
}

// assigned lists again for sweeps that were under way, and brings the schedule in line with the target files.
func (r reconciler) assigned(tx *stream.Tx) error {
	for _, s := range sweeps.All(tx) {
		tx.Effect(s)
	}
	for name, p := range plans.All(tx) {
		if t, known := r.targets[name]; !known || t.Every == 0 {
			tx.ClearTimer(scheduleTimer + name)
			p.Next = time.Time{}
			plans.Put(tx, name, p)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(r.targets)) {
		tx.Effect(watch{name, tx.Partition()})
		t := r.targets[name]
		p, _ := plans.Get(tx, name)
		if t.Every > 0 && (p.Next.IsZero() || p.Next.After(tx.Now().Add(t.Every))) {
			r.schedule(tx, t)
		}
	}
	return nil
}

func (r reconciler) result(tx *stream.Tx, result any) error {
	if n, ok := result.(noticed); ok {
		r.notice(tx, n)
		return nil
	}
	l, ok := result.(listed)
	if !ok {
		return fmt.Errorf("result of type %T", result)
	}
	if _, runs := sweeps.Get(tx, l.sweep.key()); !runs {
		return nil
	}
	sweeps.Delete(tx, l.sweep.key())
	s := r.sweepOf(tx, l.sweep.ID, l.sweep.Target)
	s.TellAll = l.sweep.Reason == "demand" || l.sweep.Reason == reasonAgain
	if l.class != "" {
		if l.sweep.Reason != reasonAgain { // else it has been told
			r.emit(tx, s.Failed(tx.Now(), tx.Cause().ID(), l.class, l.message))
		}
		r.failed(tx, l)
		return nil
	}
	tx.ClearTimer(againTimer + l.sweep.Target)
	r.compare(tx, s, l.listing)
	return nil
}

func (r reconciler) sweepOf(tx *stream.Tx, id, target string) drift.Sweep {
	t := r.targets[target]
	return drift.Sweep{ID: id, Target: target, Rules: t.Rules, Services: t.Services, Answers: r.answers, Rows: rows.Under(tx, target+"|"),
		Of: func(id event.IdentityID) (string, drift.Row, bool) {
			key := rowKey(id, target)
			row, known := rows.Get(tx, key)
			return key, row, known
		}}
}

// notice takes what a target told, and listens on. After a gap it sweeps: all partitions in the same minute, so that
// they share one listing.
func (r reconciler) notice(tx *stream.Tx, n noticed) {
	s := r.sweepOf(tx, event.DeriveID("watch", 0, n.watch.target, tx.Cause().ID()), n.watch.target)
	s.Listing = &n.news.Listing
	done := s.Notice(tx.Now(), tx.Cause().ID(), n.news.Changes)
	for key, row := range done.Rows {
		rows.Put(tx, key, row)
	}
	r.emit(tx, done.Events)
	if n.news.Gap {
		tx.SetTimer(outageTimer+n.watch.target, tx.Now().Truncate(outageWait).Add(outageWait))
	}
	tx.Effect(n.watch)
}

func (r reconciler) compare(tx *stream.Tx, s drift.Sweep, l *drift.Listing) {
	p, _ := plans.Get(tx, s.Target)
	s.Listing, s.Mine, s.Before = l, l.Accounts.Of(tx.Partition()), p.Total
	s.Orphans = maps.Collect(orphans.Under(tx, s.Target+"|"))
	done := s.Compare(tx.Now(), tx.Cause().ID())
	for key, row := range done.Rows {
		rows.Put(tx, key, row)
	}
	for key, o := range done.Orphans {
		if o == nil {
			orphans.Delete(tx, key)
			continue
		}
		orphans.Put(tx, key, *o)
	}
	r.emit(tx, done.Events)
	if !done.Broken {
		p.Total = l.Accounts.Len()
		plans.Put(tx, s.Target, p)
	}
}

func (r reconciler) emit(tx *stream.Tx, events []event.DriftEvent) {
	for _, e := range events {
		key := string(e.IdentityID)
		if key == "" {
			key = e.Target
		}
		tx.Emit(event.DriftEvents, key, &e)
	}
}

package drift_test

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/services/reconciler/internal/drift"
)

var began = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

var all = connector.Descriptor{Connector: "memory", ExternalID: true, Rename: true, List: true}

func asIs(d connector.Desired) connector.Desired { return d }

func row(id string, state event.AccountState) drift.Row {
	return drift.Row{Want: &drift.Want{IdentityID: event.IdentityID(id), Target: "chat", Version: 2, State: state, AccountName: "name-" + id,
		Attributes: map[string]string{"title": "Engineer"}, Entitlements: []string{"group/staff"}, Kinds: []string{"group"}},
		Applied: 2, Account: "name-" + id, RemoteID: "r-" + id, State: state, Touched: began.Add(-time.Minute)}
}

func object(id string, enabled bool, entitlements ...string) connector.Object {
	return connector.Object{Ref: connector.Ref{Account: "name-" + id, RemoteID: "r-" + id, ExternalID: id}, Enabled: enabled,
		Attributes: map[string]string{"title": "Engineer"}, Entitlements: entitlements}
}

// sweep compares rows with objects; all belong to one partition.
func sweep(rules drift.Rules, rows []drift.Row, objects ...connector.Object) drift.Sweep {
	byKey := map[string]drift.Row{}
	for _, r := range rows {
		byKey[string(r.Want.IdentityID)] = r
	}
	return sweepOf(rules, byKey, listing(all, objects...))
}

func sweepOf(rules drift.Rules, rows map[string]drift.Row, l *drift.Listing) drift.Sweep {
	return drift.Sweep{ID: "s1", Target: "chat", Rules: rules, Mine: l.Accounts.Of(0), Listing: l,
		Of: func(id event.IdentityID) (string, drift.Row, bool) {
			r, known := rows[string(id)]
			return string(id), r, known
		},
		Rows: func(yield func(string, drift.Row) bool) {
			for _, key := range slices.Sorted(maps.Keys(rows)) {
				if !yield(key, rows[key]) {
					return
				}
			}
		}}
}

// plain is a listing as a list: what finding an account means, written down.
type plain []connector.Object

func listing(d connector.Descriptor, objects ...connector.Object) *drift.Listing {
	return &drift.Listing{Began: began, Descriptor: d, Normal: asIs, Accounts: plain(objects)}
}

func (p plain) Len() int { return len(p) }

func (p plain) Err() error { return nil }

func (p plain) Of(int32) iter.Seq[connector.Object] { return slices.Values(p) }

func (p plain) Find(ref connector.Ref) *connector.Object {
	for _, same := range []func(o connector.Object) bool{
		func(o connector.Object) bool { return ref.RemoteID != "" && o.RemoteID == ref.RemoteID },
		func(o connector.Object) bool { return ref.ExternalID != "" && o.ExternalID == ref.ExternalID },
		func(o connector.Object) bool { return ref.Account != "" && strings.EqualFold(o.Account, ref.Account) },
	} {
		if i := slices.IndexFunc(p, same); i >= 0 {
			return &p[i]
		}
	}
	return nil
}

// tell is the events in short.
func tell(events []event.DriftEvent) string {
	var out []string
	for _, e := range events {
		text := strings.TrimPrefix(string(e.Kind), "drift.")
		for _, part := range []string{cmp.Or(e.Class, e.Drift), e.Action, e.Account, strings.Join(e.Items, ","), e.Resolution} {
			if part != "" {
				text += " " + part
			}
		}
		if e.Count > 0 {
			text += fmt.Sprint(" ", e.Count)
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

var repairAll = drift.Rules{drift.Missing: drift.Repair, drift.Attribute: drift.Repair, drift.Extra: drift.Remove, drift.Orphan: drift.Report, drift.Reenabled: drift.Repair}

func TestEachDifferenceHasItsClass(t *testing.T) {
	t.Parallel()
	renamed, other := object("a", true, "group/staff"), object("a", true, "group/staff")
	renamed.Account = "somebody"
	other.Attributes = map[string]string{"title": "Boss", "note": "ours not"}
	for _, c := range []struct {
		name string
		row  drift.Row
		have []connector.Object
		want string
	}{
		{"as wanted", row("a", event.AccountActive), []connector.Object{object("a", true, "group/staff", "licence/pro")}, "reported swept 1"},
		{"no account", row("a", event.AccountActive), nil, "found missing repair name-a account; exception.opened drift repair name-a account; reported swept 1"},
		{"no entitlement", row("a", event.AccountActive), []connector.Object{object("a", true)}, "found missing repair name-a group/staff; exception.opened drift repair name-a group/staff; reported swept 1"},
		{"one too many", row("a", event.AccountActive), []connector.Object{object("a", true, "group/root", "group/staff")}, "found extra remove name-a group/root; exception.opened drift remove name-a group/root; reported swept 1"},
		{"other value", row("a", event.AccountActive), []connector.Object{other}, "found attribute repair name-a title; exception.opened drift repair name-a title; reported swept 1"},
		{"renamed", row("a", event.AccountActive), []connector.Object{renamed}, "found attribute repair somebody account; exception.opened drift repair somebody account; reported swept 1"},
		{"disabled", row("a", event.AccountActive), []connector.Object{object("a", false, "group/staff")}, "found attribute repair name-a enabled; exception.opened drift repair name-a enabled; reported swept 1"},
		{"enabled again", row("a", event.AccountDisabled), []connector.Object{object("a", true, "group/staff")}, "found reenabled repair name-a account; exception.opened drift repair name-a account; reported swept 1"},
		{"there again", row("a", event.AccountAbsent), []connector.Object{object("a", false, "group/staff")}, "found extra remove name-a account; exception.opened drift remove name-a account; reported swept 1"},
		{"rightly gone", row("a", event.AccountAbsent), nil, "reported swept 1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := sweep(repairAll, []drift.Row{c.row}, c.have...).Compare(began.Add(time.Second), "tick/0/1")
			if text := tell(got.Events); text != c.want {
				t.Errorf("got  %s\nwant %s", text, c.want)
			}
		})
	}
}

func TestWhatIsUnderWayOrWasTouchedSinceIsNotCompared(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*drift.Row){
		"newer desired":  func(r *drift.Row) { r.Want.Version = 3 },
		"in flight":      func(r *drift.Row) { r.Busy = true },
		"touched since":  func(r *drift.Row) { r.Touched = began },
		"nothing wanted": func(r *drift.Row) { r.Want = nil },
	} {
		r := row("a", event.AccountActive)
		change(&r)
		s := sweepOf(repairAll, map[string]drift.Row{"a": r}, listing(all))
		if got := tell(s.Compare(began, "c").Events); got != "reported swept" {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestWhatTheTargetRefusedIsTriedAgainByASweepWithoutASecondException(t *testing.T) {
	t.Parallel()
	r := drift.Row{}.Desired(event.Desired{IdentityID: "a", Target: "chat", Version: 1, State: event.AccountActive, AccountName: "ann"})
	r, _ = r.Provisioned(event.ProvisionEvent{Meta: event.Meta{Kind: event.ProvisionIntended}, Version: 1})
	r, _ = r.Provisioned(event.ProvisionEvent{Meta: event.Meta{Kind: event.ProvisionDeadLettered}, Version: 1})
	for range 2 {
		got := sweep(repairAll, []drift.Row{r}).Compare(began, "c")
		if text := tell(got.Events); text != "found missing repair ann account; reported swept 1" {
			t.Fatal(text)
		}
		r = got.Rows["a"]
	}
	r, _ = r.Provisioned(event.ProvisionEvent{Meta: event.Meta{Kind: event.ProvisionApplied, Account: "ann", OccurredAt: began.Add(time.Second)}, Version: 1, State: event.AccountActive})
	if r, events := drift.Repaired("chat", r, began.Add(time.Second), "c"); len(r.Open) != 0 || len(events) != 0 {
		t.Errorf("after it was taken: %+v, %s", r.Open, tell(events))
	}
}

func TestWhatATargetTellsIsComparedAtOnce(t *testing.T) {
	t.Parallel()
	root, nobody, recreated := object("a", true, "group/root", "group/staff"), object("a", true), object("a", false)
	nobody.ExternalID, nobody.RemoteID = "", "r-9"
	recreated.RemoteID = "r-old"
	const extra = "found extra remove name-a group/root; exception.opened drift remove name-a group/root"
	for _, c := range []struct {
		name   string
		change connector.Change
		want   string
	}{
		{"as wanted", connector.Change{Object: object("a", true, "group/staff")}, ""},
		{"one too many", connector.Change{Object: root}, extra},
		{"of an owner the target does not tell", connector.Change{Object: connector.Object{Ref: connector.Ref{Account: "name-a", RemoteID: "r-a"}, Enabled: true,
			Attributes: root.Attributes, Entitlements: root.Entitlements}}, "found attribute repair name-a external_id; exception.opened drift repair name-a external_id; " + extra},
		{"gone", connector.Change{Object: connector.Object{Ref: connector.Ref{RemoteID: "r-a"}}, Gone: true}, "found missing repair name-a account; exception.opened drift repair name-a account"},
		{"another account of that person", connector.Change{Object: recreated}, ""},
		{"somebody else's", connector.Change{Object: nobody}, ""},
	} {
		s := sweep(repairAll, []drift.Row{row("a", event.AccountActive)})
		if got := tell(s.Notice(began.Add(time.Second), "c", []connector.Change{c.change}).Events); got != c.want {
			t.Errorf("%s: %s", c.name, got)
		}
	}
	busy := row("a", event.AccountActive)
	busy.Busy = true
	if got := tell(sweep(repairAll, []drift.Row{busy}).Notice(began, "c", []connector.Change{{Object: root}}).Events); got != "" {
		t.Errorf("while a call is under way: %s", got)
	}
}

func TestDriftStandsFromFoundToRepaired(t *testing.T) {
	t.Parallel()
	rules := drift.Rules{drift.Missing: drift.Repair, drift.Extra: drift.Report, drift.Attribute: drift.Adopt}
	have := object("a", true, "group/root")
	have.Attributes = nil
	s := sweep(rules, []drift.Row{row("a", event.AccountActive)}, have)
	first := s.Compare(began, "c1")
	const found = "adopted attribute adopt name-a title; found extra report name-a group/root; exception.opened drift report name-a group/root; " +
		"found missing repair name-a group/staff; exception.opened drift repair name-a group/staff; reported swept 1"
	if got := tell(first.Events); got != found {
		t.Errorf("first: %s", got)
	}
	s = sweepOf(rules, first.Rows, s.Listing)
	second := s.Compare(began.Add(time.Hour), "c2")
	if got := tell(second.Events); got != "found missing repair name-a group/staff; reported swept 1" {
		t.Errorf("second: %s", got)
	}
	s.TellAll = true
	const told = "adopted attribute adopt name-a title; found extra report name-a group/root; found missing repair name-a group/staff; reported swept 1"
	if got := tell(s.Compare(began.Add(time.Hour), "c2").Events); got != told {
		t.Errorf("on demand: %s", got)
	}

	r, settled := second.Rows["a"].Provisioned(event.ProvisionEvent{Meta: event.Meta{Kind: event.ProvisionApplied, Account: "name-a"}, Version: 2,
		RemoteID: "r-a", State: event.AccountActive, CallEnded: began.Add(time.Hour + time.Second)})
	if !settled {
		t.Fatal("applied, and not settled")
	}
	r, repaired := drift.Repaired("chat", r, began.Add(time.Hour+2*time.Second), "c3")
	if got := tell(repaired); got != "repaired missing repair name-a group/staff; exception.resolved drift name-a reconcile" {
		t.Errorf("repaired: %s", got)
	}
	if e := repaired[0]; !strings.HasSuffix(e.Message, "for 1h0m2s") {
		t.Errorf("message: %s", e.Message)
	}

	s = sweep(rules, []drift.Row{r}, object("a", true, "group/staff")) // somebody has cleared up
	s.Listing.Began = began.Add(2 * time.Hour)
	if got := tell(s.Compare(began.Add(2*time.Hour), "c4").Events); got != "repaired extra report name-a group/root; exception.resolved drift name-a person; reported swept 1" {
		t.Errorf("cleared: %s", got)
	}
}

func TestOrphansAreReportedOnceAndClosedWhenTheyAreGone(t *testing.T) {
	t.Parallel()
	nobody := connector.Object{Ref: connector.Ref{Account: "Old.Hand", RemoteID: "r9"}, Enabled: true}
	stranger := object("x", true)
	wiped := object("a", true, "group/staff") // ours, but its owner was cleared
	wiped.ExternalID = ""
	s := sweep(repairAll, []drift.Row{row("a", event.AccountActive)}, nobody, stranger, wiped)
	first := s.Compare(began, "c1")
	got := tell(first.Events)
	for _, want := range []string{"found orphan report Old.Hand account", "found orphan report name-x account", "found attribute repair name-a external_id"} {
		if !strings.Contains(got, want) {
			t.Errorf("lacks %q: %s", want, got)
		}
	}
	if strings.Count(got, "found orphan") != 2 {
		t.Errorf("orphans: %s", got)
	}
	s = sweep(repairAll, nil, stranger)
	s.Orphans = map[string]drift.Open{}
	for key, o := range first.Orphans {
		s.Orphans[key] = *o
	}
	second := s.Compare(began.Add(time.Hour), "c2")
	if got := tell(second.Events); got != "repaired orphan report old.hand account; exception.resolved drift old.hand person; reported swept" {
		t.Errorf("second: %s", got)
	}
	if o, changed := second.Orphans["chat|old.hand"]; !changed || o != nil {
		t.Errorf("orphans kept: %v", second.Orphans)
	}
}

func TestAnOrphanToBeRemovedIsANudgeUntilItIsDisabled(t *testing.T) {
	t.Parallel()
	rules := drift.Rules{drift.Orphan: drift.Remove}
	if got := tell(sweep(rules, nil, object("x", true)).Compare(began, "c").Events); !strings.HasPrefix(got, "found orphan remove name-x account") {
		t.Errorf("enabled: %s", got)
	}
	if got := tell(sweep(rules, nil, object("x", false)).Compare(began, "c").Events); got != "reported swept" {
		t.Errorf("disabled: %s", got)
	}
}

func TestManyOrphansAtOnceAreNotRemoved(t *testing.T) {
	t.Parallel()
	var objects []connector.Object
	for i := range 20 {
		objects = append(objects, object(fmt.Sprint("x", i), true))
	}
	got := tell(sweep(drift.Rules{drift.Orphan: drift.Remove}, nil, objects...).Compare(began, "c").Events)
	if !strings.HasPrefix(got, "guard.tripped;") || strings.Contains(got, "remove") || strings.Count(got, "found orphan report") != 20 {
		t.Errorf("events: %s", got)
	}
}

func TestAListingThatLacksHalfOfTheAccountsIsNotBelieved(t *testing.T) {
	t.Parallel()
	rows := func(n int) (out []drift.Row) {
		for i := range n {
			out = append(out, row(fmt.Sprint("p", i), event.AccountActive))
		}
		return out
	}
	objects := func(n int) (out []connector.Object) {
		for i := range n {
			out = append(out, object(fmt.Sprint("p", i), true, "group/staff"))
		}
		return out
	}
	for _, c := range []struct {
		name               string
		rows, have, before int
		broken             bool
	}{
		{"all gone", 30, 0, 0, true},
		{"most gone", 30, 14, 0, true},
		{"half there", 30, 15, 0, false},
		{"few lacking, though more than half", 10, 0, 0, false},
		{"few in this partition, but the target shrank", 10, 4, 60, true},
		{"the target shrank, but nothing is lacking", 4, 4, 60, false},
	} {
		s := sweep(repairAll, rows(c.rows), objects(c.have)...)
		s.Before = c.before
		got := s.Compare(began, "c")
		if got.Broken != c.broken {
			t.Errorf("%s: broken %t", c.name, got.Broken)
		}
		if c.broken && tell(got.Events) != "guard.tripped; reported failed" {
			t.Errorf("%s: %s", c.name, tell(got.Events))
		}
	}
}

// torn is a listing whose disk gave up: nothing is found any more.
type torn struct{ plain }

func (torn) Find(connector.Ref) *connector.Object { return nil }

func (torn) Err() error { return errors.New("read the listing back: input/output error") }

func TestAListingThatCannotBeReadBackLeadsToNothingAndSaysSo(t *testing.T) {
	t.Parallel()
	s := sweep(repairAll, []drift.Row{row("a", event.AccountActive)}, object("a", true, "group/staff"))
	s.Listing.Accounts = torn{plain{}}
	got := s.Compare(began, "c")
	if !got.Broken || len(got.Rows) > 0 || tell(got.Events) != "reported failed" || got.Events[0].Reason != "unreadable_listing" || !strings.Contains(got.Events[0].Message, "input/output") {
		t.Errorf("%+v", got)
	}
}

func TestATargetThatDoesNotKeepOwnersHasNoOrphansAndIsFoundByName(t *testing.T) {
	t.Parallel()
	have := object("a", true, "group/staff")
	have.ExternalID, have.RemoteID = "", "name-a"
	other := connector.Object{Ref: connector.Ref{Account: "other", RemoteID: "other"}}
	s := sweep(repairAll, []drift.Row{row("a", event.AccountActive)}, have, other)
	s.Listing.Descriptor.ExternalID = false
	if got := tell(s.Compare(began, "c").Events); got != "reported swept 1" {
		t.Errorf("events: %s", got)
	}
}

func TestOldRecordsChangeNothing(t *testing.T) {
	t.Parallel()
	r := row("a", event.AccountActive).Desired(event.Desired{IdentityID: "a", Target: "chat", Version: 1, State: event.AccountAbsent})
	if r.Want.Version != 2 || r.Want.State != event.AccountActive {
		t.Errorf("want: %+v", r.Want)
	}
}

func TestEventsAreValidAndTheirIDsDiffer(t *testing.T) {
	t.Parallel()
	got := sweep(repairAll, []drift.Row{row("a", event.AccountActive), row("b", event.AccountDisabled)}, object("b", true), object("x", true)).Compare(began, "c").Events
	ids := map[event.EventID]bool{}
	for i := range got {
		if err := got[i].Valid(); err != nil {
			t.Error(err)
		}
		ids[got[i].EventID] = true
	}
	if len(ids) != len(got) || !slices.ContainsFunc(got, func(e event.DriftEvent) bool { return e.ExceptionID != "" }) {
		t.Errorf("%d ids of %d events", len(ids), len(got))
	}
}

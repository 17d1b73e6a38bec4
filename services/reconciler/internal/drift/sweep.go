package drift

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
)

// Sweep is one comparison of a target, in one partition.
type Sweep struct {
	ID      string
	Target  string
	Rules   Rules
	Rows    iter.Seq2[string, Row]                                 // the partition's accounts in the target, by a key of the caller's; walked twice at most
	Of      func(event.IdentityID) (key string, r Row, known bool) // the one of a person, with its key
	Orphans map[string]Open                                        // by OrphanKey: the partition's orphans in the target that stand
	Listing *Listing
	Mine    iter.Seq[connector.Object] // of the listing: accounts that belong to the partition
	// Services are the accounts that belong to no person. Answers says whether somebody with that number is here to answer
	// for one, and who the manager is.
	Services []Service
	Answers  func(employeeNumber string) (here bool, manager string)
	Before   int  // accounts in the last good listing; 0: not known
	TellAll  bool // what was told before is told again
}

// Settled is what a sweep led to. Everything in it is committed together.
type Settled struct {
	Rows    map[string]Row   // that changed, by the caller's key
	Orphans map[string]*Open // that changed; nil: it is no more
	Events  []event.DriftEvent
	Broken  bool // the listing was not believed: nothing was compared
}

// A listing is broken if it lacks more accounts than brokenMin that should be there and more than half of them; or if
// it lacks more than half of the partition's, however few, and the target as a whole shrank in that way.
const brokenMin = 10

// orphansMost bounds how many orphans are disabled by one sweep of one partition, unless they are few of many.
const orphansMost = 10

// Compare finds what differs, says what is done about it, and closes what differs no more.
func (s Sweep) Compare(now time.Time, cause string) Settled {
	t := teller{sweep: s, now: now, cause: cause}
	l, strangers := s.look(), s.strangers()
	if err := s.Listing.Accounts.Err(); err != nil {
		t.failed("unreadable_listing", err.Error())
		return Settled{Events: t.events, Broken: true}
	}
	if s.broken(l) {
		t.guard("broken_listing", fmt.Sprintf("the listing lacks %d of %d accounts: nothing is repaired after it", l.missing, l.expected))
		t.failed("broken_listing", "the listing lacks more than half of what should be there; look at the target, then reconcile again")
		return Settled{Events: t.events, Broken: true}
	}
	out := Settled{Rows: map[string]Row{}, Orphans: map[string]*Open{}}
	for _, d := range l.differing {
		d.settle(&t, out.Rows)
	}
	s.orphans(&t, out.Orphans, strangers)
	t.swept(l.compared)
	out.Events = t.events
	return out
}

// look is what a sweep sees of the rows that may be compared.
type look struct {
	compared  int
	expected  int // that should have an account
	missing   int // that have none
	differing []differing
}

// differing is an account that differs, or did when it was last looked at.
type differing struct {
	key   string
	row   Row
	found []Finding
}

func (s Sweep) look() (l look) {
	for key, r := range s.Rows {
		if !r.comparable(s.Listing.Began) {
			continue
		}
		l.compared++
		have := s.have(r)
		if r.Want.State != event.AccountAbsent && !r.refused() {
			l.expected++
			if have == nil {
				l.missing++
			}
		}
		if found := differences(r, have, s.Listing); len(found) > 0 || len(r.Open) > 0 {
			l.differing = append(l.differing, differing{key, r, found})
		}
	}
	return l
}

// Notice compares accounts that a target told of between sweeps; the sweep has a listing without accounts, and its rows.
// It finds and closes what a sweep would, of these accounts alone. Accounts of nobody wait for a sweep: whoever made one
// may be about to say whose it is.
func (s Sweep) Notice(now time.Time, cause string, changes []connector.Change) Settled {
	t := teller{sweep: s, now: now, cause: cause}
	out := Settled{Rows: map[string]Row{}}
	compare := func(key string, r Row, c connector.Change) {
		if r.RemoteID != c.RemoteID || !r.comparable(s.Listing.Began) {
			return
		}
		have := &c.Object
		if c.Gone {
			have = nil
		}
		differing{key, r, differences(r, have, s.Listing)}.settle(&t, out.Rows)
	}
	ownerless := map[string]connector.Change{}
	for _, c := range changes {
		if c.ExternalID == "" {
			ownerless[c.RemoteID] = c
		} else if key, r, known := s.Of(event.IdentityID(c.ExternalID)); known {
			compare(key, r, c)
		}
	}
	if len(ownerless) > 0 {
		for key, r := range s.Rows {
			if c, ok := ownerless[r.RemoteID]; ok {
				compare(key, r, c)
			}
		}
	}
	out.Events = t.events
	return out
}

// settle tells of what differs, and of what does no more.
func (d differing) settle(t *teller, changed map[string]Row) {
	r := d.row
	about := subject{identity: r.Want.IdentityID, account: r.Account, policy: r.Want.Policy, version: r.Want.Version, told: r.refused()}
	open := t.settle(about, r.Open, d.found)
	if !slices.EqualFunc(open, r.Open, sameOpen) {
		r.Open = open
		changed[d.key] = r
	}
}

// Failed is the end of a sweep whose listing could not be had.
func (s Sweep) Failed(now time.Time, cause string, class connector.Class, message string) []event.DriftEvent {
	t := teller{sweep: s, now: now, cause: cause}
	t.failed(string(class), message)
	return t.events
}

func (s Sweep) have(r Row) *connector.Object {
	ref := r.desired().Ref()
	if !s.Listing.Descriptor.ExternalID {
		ref.ExternalID = ""
	}
	return s.Listing.Accounts.Find(ref)
}

func (s Sweep) broken(l look) bool {
	shrunk := s.Before - s.Listing.Accounts.Len()
	return l.missing*2 > l.expected && (l.missing > brokenMin || (shrunk > brokenMin && shrunk*2 > s.Before))
}

// orphans tells of accounts of the partition that no row is about: nobody's, or a service's whose owner has left.
func (s Sweep) orphans(t *teller, changed map[string]*Open, x strangers) {
	if s.Rules.of(Orphan) == Remove && x.orphans > orphansMost && x.orphans*10 > x.mine {
		t.guard("mass_orphans", fmt.Sprintf("%d of %d accounts belong to nobody: they are reported and not disabled", x.orphans, x.mine))
		t.sweep.Rules = maps.Clone(s.Rules)
		t.sweep.Rules[Orphan] = Report
	}
	keys := slices.Collect(maps.Keys(x.found))
	for key := range s.Orphans {
		if _, still := x.found[key]; !still {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		s.orphan(t, changed, key, x.found)
	}
}

func (s Sweep) orphan(t *teller, changed map[string]*Open, key string, found map[string]stranger) {
	var before []Open
	if open, stands := s.Orphans[key]; stands {
		before = []Open{open}
	}
	var findings []Finding
	x, there := found[key]
	_, name, _ := strings.Cut(key, "|")
	if there {
		name = x.Account
		findings = []Finding{x.Finding}
	}
	open := t.settle(subject{identity: x.owner, account: name}, before, findings)
	switch {
	case len(open) == 0:
		changed[key] = nil
	case !slices.EqualFunc(open, before, sameOpen):
		changed[key] = &open[0]
	}
}

// stranger is an account that no row is about, and what is wrong with that.
type stranger struct {
	Finding
	owner event.IdentityID // whom the target says it belongs to
}

type strangers struct {
	found   map[string]stranger // by OrphanKey
	orphans int                 // of them
	mine    int                 // accounts the partition has in all
}

// strangers looks at the accounts listed. One with a row's remote id is that row's, whatever owner the target notes.
func (s Sweep) strangers() strangers {
	x := strangers{found: map[string]stranger{}}
	byRemote := map[string]string{}
	for o := range s.Mine {
		x.mine++
		if _, _, known := s.Of(event.IdentityID(o.ExternalID)); known {
			continue
		}
		f, wrong := s.judge(o)
		if !wrong {
			continue
		}
		key := OrphanKey(s.Target, o.Account)
		x.found[key] = stranger{f, event.IdentityID(o.ExternalID)}
		byRemote[o.RemoteID] = key
	}
	if len(x.found) > 0 {
		for _, r := range s.Rows {
			if key, ok := byRemote[r.RemoteID]; ok && r.RemoteID != "" {
				delete(x.found, key)
			}
		}
	}
	for _, one := range x.found {
		if one.Class == Orphan {
			x.orphans++
		}
	}
	return x
}

// judge says what is wrong with an account that belongs to no person known.
func (s Sweep) judge(o connector.Object) (f Finding, wrong bool) {
	if i := slices.IndexFunc(s.Services, func(v Service) bool { return v.covers(o.Account) }); i >= 0 {
		items := s.Services[i].succession(s.Answers)
		return Finding{Class: Ownerless, Account: o.Account, Items: items}, len(items) > 0
	}
	disabled := s.Rules.of(Orphan) == Remove && !o.Enabled
	tells := s.Listing.Descriptor.ExternalID // else whose an account is cannot be told
	return Finding{Class: Orphan, Account: o.Account, Items: []string{wholeAccount}}, tells && !disabled
}

func sameOpen(a, b Open) bool {
	return a.Class == b.Class && a.Action == b.Action && a.Event == b.Event && slices.Equal(a.Items, b.Items)
}

package csv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
)

// shrunken are drops of which ten rows were taken; then came 2.csv, with two.
func shrunken(t *testing.T) (*drops, *reader) {
	t.Helper()
	c := snapshot
	c.Shrink = &config.Shrink{Percent: 10}
	d := newDrops(t, c)
	r := d.open()
	var ten strings.Builder
	for n := range 10 {
		fmt.Fprintf(&ten, "%d,Ann,Finance,\n", n)
	}
	d.drop("1.csv", head+ten.String())
	d.scan(r)
	d.drop("2.csv", head+"0,Ann,Finance,\n1,Ann,Finance,\n")
	return d, r
}

// told are the adapter's words on guards, once there are n.
func (d *drops) told(n int) []event.GuardCommand {
	d.t.Helper()
	return slices.DeleteFunc(d.Guards(n), func(c event.GuardCommand) bool { return c.Actor != adapter })
}

// vote says a person's word as the console does: a copy in every partition.
func (d *drops) vote(r *reader, kind event.GuardAct, hold string, actor event.IdentityID) {
	d.t.Helper()
	value, err := d.Options.Codec.(interface {
		Encode(topic string, v any) ([]byte, error)
	}).Encode(string(event.GuardCommands), event.GuardCommand{ID: fmt.Sprint(kind, actor), Kind: kind, Hold: hold, Actor: actor, Reason: "looked at it"})
	if err != nil {
		d.t.Fatal(err)
	}
	before := len(r.ballot.of(hold))
	client, err := kgo.NewClient(kgo.SeedBrokers(d.Options.Seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		d.t.Fatal(err)
	}
	defer client.Close()
	for p := range int32(6) {
		if err := client.ProduceSync(d.t.Context(), &kgo.Record{Topic: string(event.GuardCommands), Partition: p, Key: []byte(hold), Value: value}).FirstErr(); err != nil {
			d.t.Fatal(err)
		}
	}
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for len(r.ballot.of(hold)) == before {
		select {
		case <-look.C:
		case <-d.t.Context().Done():
			d.t.Fatal("the vote was not heard")
		}
	}
}

func TestAShrunkenSnapshotIsHeldUntilTwoPeopleReleaseIt(t *testing.T) {
	t.Parallel()
	d, r := shrunken(t)
	d.scan(r)
	d.expect("done/000001-1.csv held/2.csv held/2.csv.reason.txt")
	hold := d.told(1)[0]
	if hold.Kind != event.GuardTrip || !strings.HasPrefix(hold.Hold, "held-file:agency.") || !strings.Contains(hold.Reason, "2.csv of source agency") || !strings.Contains(hold.Reason, "80.0 % fewer, and 10 % are allowed") {
		t.Errorf("told: %+v", hold)
	}
	if b, err := os.ReadFile(filepath.Join(d.c.Directory, "held/2.csv.reason.txt")); err != nil || !strings.Contains(string(b), "joinery guard release "+hold.Hold) {
		t.Errorf("%s, %v", b, err)
	}
	d.vote(r, event.GuardRelease, hold.Hold, "id-boss")
	d.vote(r, event.GuardRelease, hold.Hold, "id-boss")
	d.vote(r, event.GuardCancel, hold.Hold, "id-ana")
	d.scan(r)
	r = d.open() // another process, which hears everything again
	d.scan(r)
	if got := d.said(10); len(got) != 10 {
		t.Fatalf("one person alone released it: %v", got)
	}
	d.vote(r, event.GuardRelease, hold.Hold, "id-cyn")
	d.scan(r)
	if got := d.said(18); len(got) != 18 || got[0] != "absent 2" {
		t.Errorf("%v", got)
	}
	d.expect("done/000001-1.csv done/000002-2.csv held/2.csv.reason.txt")
	for name := range r.ledger.Marks() {
		if strings.HasPrefix(name, holdMark) {
			t.Errorf("%s is still remembered", name)
		}
	}
	if all := d.told(3); len(all) != 1 {
		t.Errorf("told: %+v", all)
	}
}

func TestAHeldFileThatTwoPeopleCancelIsRefused(t *testing.T) {
	t.Parallel()
	d, r := shrunken(t)
	d.scan(r)
	hold := d.told(1)[0].Hold
	d.vote(r, event.GuardCancel, hold, "id-boss")
	d.vote(r, event.GuardCancel, hold, "id-cyn")
	d.scan(r)
	d.expect("done/000001-1.csv held/2.csv.reason.txt refused/2.csv refused/2.csv.reason.txt")
	if got := d.said(10); len(got) != 10 {
		t.Errorf("%v", got)
	}
}

func TestMovingAHeldFileByHandReleasesNothingAndDeletingItWithdrawsIt(t *testing.T) {
	t.Parallel()
	d, r := shrunken(t)
	d.scan(r)
	held, release := filepath.Join(d.c.Directory, "held/2.csv"), filepath.Join(d.c.Directory, "release/2.csv")
	if err := os.Rename(held, release); err != nil {
		t.Fatal(err)
	}
	d.scan(r)
	d.expect("done/000001-1.csv held/2.csv held/2.csv.reason.txt")
	if all := d.told(1); len(all) != 1 {
		t.Errorf("told: %+v", all)
	}
	if err := os.Remove(held); err != nil {
		t.Fatal(err)
	}
	d.scan(r)
	if all := d.told(2); len(all) != 2 || all[1].Kind != event.GuardWithdraw || all[1].Hold != all[0].Hold {
		t.Errorf("told: %+v", all)
	}
	if got := d.said(10); len(got) != 10 {
		t.Errorf("%v", got)
	}
}

func TestKilledWhileAFileIsPutAsideItIsHeldOnce(t *testing.T) {
	t.Parallel()
	d, r := shrunken(t)
	r.step = func(string) error { return errCrash }
	var err error
	for range 2 {
		err = errors.Join(err, r.scan(t.Context()))
	}
	if !errors.Is(err, errCrash) {
		t.Fatalf("no crash: %v", err)
	}
	d.scan(d.open())
	d.expect("done/000001-1.csv held/2.csv held/2.csv.reason.txt")
	trips := map[string]bool{}
	for _, c := range d.told(1) {
		trips[string(c.Kind)+c.Hold] = true
	}
	if len(trips) != 1 {
		t.Errorf("told: %v", trips)
	}
}

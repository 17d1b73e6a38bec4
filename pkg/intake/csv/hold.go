package csv

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"joinery.internal/pkg/dualcontrol"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/stream"
)

// hold is a snapshot that waits for two people who say the same:
//
//	held/ --release of two--> release/ --taken--> done/
//	      \--cancel of two---> refused/
//	      \--gone by hand----> withdrawn
//
// The provisioner, which keeps all guards, is told of it (event.GuardTrip) and counts the votes for the evidence; the
// reader counts them here, by the same rule and in the same order, for the file. What it has heard is remembered with the hold.
type hold struct {
	Name     string            `json:"name"` // as it was dropped
	File     string            `json:"file"` // in held/
	Sum      string            `json:"sum"`
	Votes    dualcontrol.Votes `json:"votes,omitempty"`
	Decision event.GuardAct    `json:"decision,omitempty"` // empty: it waits
}

const (
	holdMark  = "hold/"     // + id
	holdGuard = "held-file" // what the hold is said to be of, in the place of a guard's name
)

// holdScope begins the ids of a source's holds.
func holdScope(source string) string { return holdGuard + ":" + source + "." }

// holdID names the hold of one file for ever: the same file again, a file anew.
func holdID(source string, f found, sum string) string {
	return holdScope(source) + strings.TrimPrefix(event.DeriveID("", 0, source, f.name, sum, f.written.String()), "-")[:8]
}

// take counts a vote; what is decided stays so.
func (h *hold) take(c event.GuardCommand) {
	var outcome string
	h.Votes, outcome = h.Votes.Take(h.Decision != "", dualcontrol.Vote{Kind: c.Kind, Actor: c.Actor})
	if outcome == dualcontrol.Decisive {
		h.Decision = c.Kind
	}
}

// ballot hears what people say of the holds of one source. It is safe for concurrent use.
type ballot struct {
	follower *stream.Follower

	mu   sync.Mutex
	said map[string][]event.GuardCommand // by hold
}

func listen(ctx context.Context, o stream.Options, source string) (*ballot, error) {
	b := &ballot{said: map[string][]event.GuardCommand{}}
	var err error
	b.follower, err = stream.Follow(ctx, o, func(r stream.Record) error {
		var c event.GuardCommand
		if r.Partition != guardPartition || !strings.HasPrefix(r.Key, holdScope(source)) || o.Codec.Decode(r.Value, string(r.Topic), &c) != nil {
			return nil // a copy, of others, or for the provisioner to complain of
		}
		if (c.Kind == event.GuardRelease || c.Kind == event.GuardCancel) && c.Actor != "" && strings.TrimSpace(c.Reason) != "" {
			b.mu.Lock()
			b.said[c.Hold] = append(b.said[c.Hold], c)
			b.mu.Unlock()
		}
		return nil
	}, event.GuardCommands)
	if err != nil {
		return nil, fmt.Errorf("hear what people say of held files: %w", err)
	}
	return b, nil
}

// guardPartition is the one whose copies of votes count, here and where the provisioner tells of the hold.
const guardPartition = 0

func (b *ballot) of(id string) []event.GuardCommand {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.said[id])
}

// holds are those that are remembered, by id.
func (r *reader) holds() (map[string]hold, error) {
	out := map[string]hold{}
	for name, b := range r.ledger.Marks() {
		id, ok := strings.CutPrefix(name, holdMark)
		if !ok {
			continue
		}
		var h hold
		if err := json.Unmarshal(b, &h); err != nil {
			return nil, fmt.Errorf("read what is remembered of %s: %w", id, err)
		}
		out[id] = h
	}
	return out, nil
}

// hold puts a shrunken snapshot aside and asks people.
func (r *reader) hold(ctx context.Context, f found, sum, reason string) error {
	id := holdID(r.source.Name(), f, sum)
	holds, err := r.holds()
	if err != nil {
		return err
	}
	h, again := holds[id] // put back by hand, or the last run ended here
	h.Name, h.File, h.Sum = f.name, r.folder.free(heldFolder, f.name), sum
	b := intake.Batch{Marks: map[string][]byte{holdMark + id: asJSON(h)}}
	if !again {
		b.Guards = []event.GuardCommand{{ID: id, Kind: event.GuardTrip, Hold: id, Actor: adapter, Reason: fmt.Sprintf("%s of source %s: %s", f.name, r.source.Name(), reason), At: f.written}}
	}
	if err := r.commit(ctx, b); err != nil {
		return err
	}
	if err := r.step("held"); err != nil {
		return err
	}
	r.source.Log.Warn("a snapshot is held", "source", r.source.Name(), "file", f.name, "hold", id, "reason", reason)
	return r.folder.move(f, heldFolder, f.name, fmt.Sprintf("%s\nTwo people decide: joinery guard release %s --as PERSON --reason WHY\n"+
		"                  joinery guard cancel  %s --as PERSON --reason WHY\n", reason, id, id))
}

// adapter is who tells of holds.
const adapter = "ingest"

// decide does with held files what people have decided.
func (r *reader) decide(ctx context.Context) error {
	holds, err := r.holds()
	if err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(holds)) {
		h := holds[id]
		for _, c := range r.ballot.of(id) {
			h.take(c)
		}
		if err := r.settle(ctx, id, h, len(h.Votes) > len(holds[id].Votes)); err != nil {
			return fmt.Errorf("decide on %s: %w", id, err)
		}
	}
	return nil
}

// settle moves one held file where its votes want it. What was moved and not remembered when a run ended is found moved.
func (r *reader) settle(ctx context.Context, id string, h hold, heard bool) error {
	name := holdMark + id
	here := r.folder.has(heldFolder, h.File)
	onItsWay := r.folder.has(releaseFolder, h.File) || r.folder.has(".", h.Name) // to done/, or to held/: the last run ended
	if heard {
		if err := r.commit(ctx, intake.Batch{Marks: map[string][]byte{name: asJSON(h)}}); err != nil {
			return err
		}
	}
	switch {
	case here && h.Decision == event.GuardRelease:
		return r.folder.transfer(heldFolder, h.File, releaseFolder, h.File, "")
	case here && h.Decision == event.GuardCancel:
		if err := r.folder.transfer(heldFolder, h.File, refusedFolder, h.File, "Two people cancelled it.\n"); err != nil {
			return err
		}
	case here, onItsWay:
		return nil
	}
	gone := intake.Batch{Marks: map[string][]byte{name: nil}}
	if h.Decision == "" {
		gone.Guards = []event.GuardCommand{{ID: id + "/gone", Kind: event.GuardWithdraw, Hold: id, Actor: adapter, Reason: "the file is not in " + heldFolder + "/ any more"}}
	}
	return r.commit(ctx, gone)
}

// released are the ids of holds of a file that two people have let go on.
func (r *reader) released(sum string) (ids []string, err error) {
	holds, err := r.holds()
	for id, h := range holds {
		if h.Sum == sum && h.Decision == event.GuardRelease {
			ids = append(ids, id)
		}
	}
	return ids, err
}

func asJSON(h hold) []byte {
	b, err := json.Marshal(h)
	if err != nil {
		panic("csv: a hold has no JSON: " + err.Error()) // texts only
	}
	return b
}

// has says whether a file stands in one of the folders.
func (d *folder) has(in, name string) bool {
	_, err := os.Lstat(filepath.Join(d.dir, in, name))
	return !errors.Is(err, os.ErrNotExist)
}

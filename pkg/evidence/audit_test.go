package evidence_test

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/stream"
)

// chain is n rows of one writer as the runtime stamps them.
func chain(service string, n int) []evidence.Row {
	var out []evidence.Row
	var prev []byte
	for i := range n {
		r := evidence.Row{SrcTopic: "jml.access.event.v1", Service: service, Seq: uint64(i + 1), SrcKey: "p-1", Raw: strings.Repeat("x", i), PrevHash: hex.EncodeToString(prev)}
		prev = stream.LinkHash(prev, r.Seq, []byte(r.SrcKey), []byte(r.Raw))
		r.Hash = hex.EncodeToString(prev)
		out = append(out, r)
	}
	return out
}

// relink writes a chain anew from row i on, as somebody would who can write to the table.
func relink(rows []evidence.Row, i int) []evidence.Row {
	var prev []byte
	for j := range rows {
		if j >= i {
			rows[j].PrevHash = hex.EncodeToString(prev)
			rows[j].Hash = hex.EncodeToString(stream.LinkHash(prev, rows[j].Seq, []byte(rows[j].SrcKey), []byte(rows[j].Raw)))
		}
		prev = must(hex.DecodeString(rows[j].Hash))
	}
	return rows
}

func TestTheAuditorNamesTheFirstRowThatIsNotAsItWasWritten(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	stored := func(at time.Time, rows []evidence.Row) []evidence.Row {
		for i := range rows {
			rows[i].StoredAt = at
		}
		return rows
	}
	for name, c := range map[string]struct {
		damage func([]evidence.Row) []evidence.Row
		seq    uint64
		says   string
	}{
		"nothing":       {func(r []evidence.Row) []evidence.Row { return r }, 0, ""},
		"a row is gone": {func(r []evidence.Row) []evidence.Row { return slices.Delete(r, 3, 4) }, 5, "rows from seq 4 to 4 lack"},
		"the first is":  {func(r []evidence.Row) []evidence.Row { return r[1:] }, 2, "rows from seq 1 to 1 lack"},
		"the last are":  {func(r []evidence.Row) []evidence.Row { return r[:4] }, 6, "cut after 4"},
		"all are":       {func([]evidence.Row) []evidence.Row { return nil }, 6, "cut after 0"},
		"bytes altered": {func(r []evidence.Row) []evidence.Row { r[2].Raw = "other"; return r }, 3, "not those that its hash was made of"},
		"key altered":   {func(r []evidence.Row) []evidence.Row { r[2].SrcKey = "p-2"; return r }, 3, "not those"},
		"a row forged": {func(r []evidence.Row) []evidence.Row {
			return slices.Insert(r, 2, evidence.Row{SrcTopic: r[0].SrcTopic, Service: r[0].Service, Seq: 2})
		}, 2, "there twice"},
		"of no chain": {func(r []evidence.Row) []evidence.Row {
			return slices.Insert(r, 0, evidence.Row{SrcTopic: r[0].SrcTopic})
		}, 0, "belongs to no chain"},
		"one row rewritten":    {func(r []evidence.Row) []evidence.Row { r[2].Raw = "other"; return append(relink(r[:3], 2), r[3:]...) }, 4, "does not follow"},
		"rewritten to the end": {func(r []evidence.Row) []evidence.Row { r[2].Raw = "other"; return relink(r, 2) }, 6, "not the row that a checkpoint sealed"},
		"a chain of one's own": {func(r []evidence.Row) []evidence.Row {
			return append(r, stored(now.Add(-time.Hour), chain("ghost", 2))...)
		}, 1, "no checkpoint knows its chain"},
		"rows added": {func(r []evidence.Row) []evidence.Row {
			return append(r, stored(now.Add(-time.Hour), chain("policy-resolver", 7)[6:])...)
		}, 7, "after the newest checkpoint"},
		"rows added just now": {func(r []evidence.Row) []evidence.Row {
			return append(r, stored(now.Add(-time.Second), chain("policy-resolver", 7)[6:])...)
		}, 0, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rows := append(chain("policy-resolver", 6), chain("provisioner", 3)...)
			auditor := evidence.Auditor{Seals: evidence.Heads(rows), Now: now}
			var seq uint64
			var says string
			for _, r := range append(c.damage(chain("policy-resolver", 6)), chain("provisioner", 3)...) {
				if says = auditor.Next(r); says != "" {
					seq = r.Seq
					break
				}
			}
			if cut := auditor.End(); says == "" && len(cut) > 0 {
				seq, says = cut[0].Seq, fmt.Sprint("cut after ", cut[0].After)
			}
			if seq != c.seq || !strings.Contains(says, c.says) || c.says == "" && says != "" {
				t.Errorf("seq %d: %q; want seq %d, %q", seq, says, c.seq, c.says)
			}
			if c.says == "" && (auditor.Chains() != 2 || auditor.Sealed != 9) {
				t.Errorf("%d rows sealed in %d chains", auditor.Sealed, auditor.Chains())
			}
		})
	}
}

func TestACheckpointThatTheKeyDidNotSignVouchesForNothing(t *testing.T) {
	t.Parallel()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	at := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	good := evidence.Seal(key, event.Checkpoint{Topic: event.CaseEvents, Partition: 1, Service: "policy-resolver", Seq: 7, Hash: []byte{1}, At: at})
	older := evidence.Seal(key, event.Checkpoint{Topic: event.CaseEvents, Partition: 1, Service: "policy-resolver", Seq: 5, Hash: []byte{2}, At: at.Add(time.Hour)})
	list := []event.Checkpoint{good, older} // a former owner wrote late
	for _, alter := range []func(*event.Checkpoint){
		func(c *event.Checkpoint) { c.Topic = event.AccessEvents }, func(c *event.Checkpoint) { c.Partition = 2 }, func(c *event.Checkpoint) { c.Service = "x" },
		func(c *event.Checkpoint) { c.Seq = 8 }, func(c *event.Checkpoint) { c.Hash = []byte{3} }, func(c *event.Checkpoint) { c.At = at.Add(time.Minute) },
		func(c *event.Checkpoint) { c.Signature = nil },
	} {
		c := good
		alter(&c)
		list = append(list, c)
	}
	seals, forged := evidence.Seals(key.Public().(ed25519.PublicKey), list)
	want := map[evidence.Chain]evidence.Head{{Topic: string(event.CaseEvents), Partition: 1, Service: "policy-resolver"}: {Seq: 7, Hash: "01"}}
	if !maps.Equal(seals, want) || len(forged) != 7 {
		t.Errorf("%v and %d forged, want %v and 7", seals, len(forged), want)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

package evidence_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"joinery.internal/pkg/evidence"
)

// limitFiles makes every write of the engine beyond so many bytes of a file fail, as a full disk would.
func (a *archive) limitFiles(t *testing.T, bytes uint64) {
	t.Helper()
	if err := unix.Prlimit(a.eng.PID(), unix.RLIMIT_FSIZE, &unix.Rlimit{Cur: bytes, Max: unix.RLIM_INFINITY}, nil); err != nil {
		t.Fatal(err)
	}
}

// bulky are rows that do not compress.
func (a *archive) bulky(t *testing.T, n int) []evidence.Row {
	t.Helper()
	var rows []evidence.Row
	for range n {
		noise := make([]byte, 1000)
		if _, err := rand.Read(noise); err != nil {
			t.Fatal(err)
		}
		rows = append(rows, a.row("identity.hire", "03-02 09:00:00", func(r *evidence.Row) { r.Raw = string(noise) }))
	}
	return rows
}

func TestAnInsertThatTheDiskRefusesFailsAndCanBeRepeated(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	a.insert(t, a.row("identity.hire", "03-02 09:00:00"))
	lost := a.bulky(t, 500)
	a.limitFiles(t, 64<<10)
	if err := a.store.Insert(t.Context(), lost); !errors.Is(err, evidence.ErrDamaged) {
		t.Fatalf("Insert on a disk that refuses = %v, want ErrDamaged", err)
	}
	a.limitFiles(t, unix.RLIM_INFINITY)
	found, err := a.store.Positions(t.Context(), topic, 0, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || !found.Has(0) {
		t.Fatalf("%d positions are shown, want only that of the row before", len(found))
	}
	a.insert(t, lost...)
	a.want(t, "SELECT count() AS n, sum(length(raw)) AS bytes FROM joinery.evidence", "n | bytes", "501 | 500000")
}

func TestDamageThatNobodyNoticedIsFoundByTheNextReadBack(t *testing.T) {
	t.Parallel()
	a := openArchive(t)
	a.limitFiles(t, 64<<10)
	batch, err := a.conn.PrepareBatch(t.Context(), "INSERT INTO joinery.evidence_log (src_topic_id, src_offset, raw, occurred_at)")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range a.bulky(t, 500) { // as by a writer that was killed before it could confirm
		if err := batch.Append(r.SrcTopicID, r.SrcOffset, r.Raw, r.OccurredAt); err != nil {
			t.Fatal(err)
		}
	}
	sent := batch.Send()
	a.limitFiles(t, unix.RLIM_INFINITY)
	found, err := a.store.Positions(t.Context(), topic, 0, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 0 {
		t.Fatalf("insert: %v; %d positions are shown, want none", sent, len(found))
	}
}

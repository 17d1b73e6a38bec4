package listing

import (
	"bufio"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"os"
	"slices"
	"strings"
	"sync"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/pack"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/reconciler/internal/drift"
)

// spool keeps the accounts of a listing outside of memory: in a file without a name, which goes when nothing refers to
// the spool any more. What stays on the heap is some 100 bytes an account, whatever it holds.
//
//	add, add, ... seal        one goroutine
//	Len, Find, Of, Err        any number, once sealed
//
// Lookups go by a hash of 64 bits and check what they found. Of two keys with one hash, which happens once in 10^9
// listings of 100,000, the later is found: the other counts as missing, and the provisioner, which reads before it
// writes, finds it there.
type spool struct {
	file  *os.File
	out   *bufio.Writer
	parts [][]uint32 // by partition: ordinals
	ends  []uint64   // by ordinal: where its bytes end
	seed  maphash.Seed

	byRemote, byOwner, byName map[uint64]uint32

	mu  sync.Mutex
	buf []byte // of the account written or read last
	err error  // the first fault of reading
}

// newSpool opens a spool in a folder; empty: the system's for temporary files.
func newSpool(dir string, partitions int32) (*spool, error) {
	file, err := os.CreateTemp(dir, "listing-")
	if err != nil {
		return nil, fmt.Errorf("open a spool for the listing: %w", err)
	}
	if err := os.Remove(file.Name()); err != nil { // it goes with its last descriptor
		return nil, errors.Join(fmt.Errorf("unlink the spool of the listing: %w", err), file.Close())
	}
	return &spool{file: file, out: bufio.NewWriterSize(file, 1<<16), parts: make([][]uint32, partitions), seed: maphash.MakeSeed(),
		byRemote: map[uint64]uint32{}, byOwner: map[uint64]uint32{}, byName: map[uint64]uint32{}}, nil
}

func (s *spool) hash(key string) uint64 { return maphash.String(s.seed, key) }

func (s *spool) add(o connector.Object) error {
	s.buf = appendObject(s.buf[:0], o)
	if _, err := s.out.Write(s.buf); err != nil {
		return fmt.Errorf("spool the listing: %w", err)
	}
	n := uint32(len(s.ends))
	s.ends = append(s.ends, s.begin(n)+uint64(len(s.buf)))
	s.byName[s.hash(strings.ToLower(o.Account))] = n
	if o.RemoteID != "" {
		s.byRemote[s.hash(o.RemoteID)] = n
	}
	if o.ExternalID != "" {
		s.byOwner[s.hash(o.ExternalID)] = n
	}
	p := stream.Partition(drift.Owner(o), int32(len(s.parts)))
	s.parts[p] = append(s.parts[p], n)
	return nil
}

// addAll says how many of them were not there before.
func (s *spool) addAll(objects []connector.Object) (fresh int, err error) {
	for _, o := range objects {
		if _, there := s.byRemote[s.hash(o.RemoteID)]; !there {
			fresh++
		}
		if err := s.add(o); err != nil {
			return fresh, err
		}
	}
	return fresh, nil
}

func (s *spool) begin(n uint32) uint64 {
	if n == 0 {
		return 0
	}
	return s.ends[n-1]
}

// seal ends the writing. After an error the spool is of no use.
func (s *spool) seal() error {
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("spool the listing: %w", err)
	}
	s.out = nil
	return nil
}

// Len is the number of accounts listed.
func (s *spool) Len() int { return len(s.ends) }

// Find looks an account up by remote id, else by owner, else by name.
func (s *spool) Find(ref connector.Ref) *connector.Object {
	if n, ok := s.byRemote[s.hash(ref.RemoteID)]; ok && ref.RemoteID != "" {
		if o := s.at(n); o != nil && o.RemoteID == ref.RemoteID {
			return o
		}
	}
	if n, ok := s.byOwner[s.hash(ref.ExternalID)]; ok && ref.ExternalID != "" {
		if o := s.at(n); o != nil && o.ExternalID == ref.ExternalID {
			return o
		}
	}
	if n, ok := s.byName[s.hash(strings.ToLower(ref.Account))]; ok && ref.Account != "" {
		if o := s.at(n); o != nil && strings.EqualFold(o.Account, ref.Account) {
			return o
		}
	}
	return nil
}

// Of yields the accounts of a partition in the order of the listing.
func (s *spool) Of(partition int32) iter.Seq[connector.Object] {
	return func(yield func(connector.Object) bool) {
		for _, n := range s.parts[partition] {
			if o := s.at(n); o == nil || !yield(*o) {
				return
			}
		}
	}
}

// Err is why an account could not be read back.
func (s *spool) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// at reads an account back; nil: it cannot, or could not before.
func (s *spool) at(n uint32) *connector.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	begin := s.begin(n)
	s.buf = slices.Grow(s.buf[:0], int(s.ends[n]-begin))[:s.ends[n]-begin]
	if s.err != nil {
		return nil
	}
	var o connector.Object
	_, err := s.file.ReadAt(s.buf, int64(begin))
	if err == nil {
		o, err = parseObject(s.buf)
	}
	if err != nil {
		s.err = fmt.Errorf("read the listing back: %w", err)
		return nil
	}
	return &o
}

func appendObject(b []byte, o connector.Object) []byte {
	b = append(b, 0)
	if o.Enabled {
		b[len(b)-1] = 1
	}
	for _, s := range []string{o.Account, o.RemoteID, o.ExternalID, o.Version} {
		b = pack.AppendText(b, s)
	}
	return pack.AppendTexts(pack.AppendMap(b, o.Attributes), o.Entitlements)
}

// parseObject is the inverse of appendObject. What it returns shares nothing with b.
func parseObject(b []byte) (connector.Object, error) {
	r := pack.NewReader(b)
	o := connector.Object{Enabled: r.Byte() == 1, Ref: connector.Ref{Account: r.Text(), RemoteID: r.Text(), ExternalID: r.Text()},
		Version: r.Text(), Attributes: r.Map(), Entitlements: r.Texts()}
	return o, r.End()
}

package listing

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/reconciler/internal/drift"
)

// spool keeps the accounts of a listing outside the heap: in a file without a name, mapped into memory to be read. What
// stays on the heap is some 100 bytes an account, whatever it holds.
//
//	add, add, ... seal        one goroutine
//	Len, Find, Of             any number, once sealed
//
// Lookups go by a hash of 64 bits and check what they found. Of two keys with one hash, which happens once in 10^9
// listings of 100,000, the later is found: the other counts as missing, and the provisioner, which reads before it
// writes, finds it there.
type spool struct {
	file  *os.File
	out   *bufio.Writer
	buf   []byte
	data  *mapping
	parts [][]uint32 // by partition: ordinals
	ends  []uint64   // by ordinal: where its bytes end
	seed  maphash.Seed

	byRemote, byOwner, byName map[uint64]uint32
}

// mapping is unmapped when nothing refers to it any more.
type mapping struct{ bytes []byte }

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

func (s *spool) begin(n uint32) uint64 {
	if n == 0 {
		return 0
	}
	return s.ends[n-1]
}

// seal ends the writing. After an error the spool is of no use.
func (s *spool) seal() error {
	err := s.out.Flush()
	s.out, s.buf, s.data = nil, nil, &mapping{}
	if size := s.begin(uint32(len(s.ends))); err == nil && size > 0 {
		s.data.bytes, err = unix.Mmap(int(s.file.Fd()), 0, int(size), unix.PROT_READ, unix.MAP_PRIVATE)
		if err == nil {
			runtime.AddCleanup(s.data, func(b []byte) { _ = unix.Munmap(b) }, s.data.bytes) // fails for wrong arguments only
		}
	}
	if err = errors.Join(err, s.file.Close()); err != nil {
		return fmt.Errorf("seal the spool of the listing: %w", err)
	}
	return nil
}

// Len is the number of accounts listed.
func (s *spool) Len() int { return len(s.ends) }

// Find looks an account up by remote id, else by owner, else by name.
func (s *spool) Find(ref connector.Ref) *connector.Object {
	if n, ok := s.byRemote[s.hash(ref.RemoteID)]; ok && ref.RemoteID != "" {
		if o := s.at(n); o.RemoteID == ref.RemoteID {
			return &o
		}
	}
	if n, ok := s.byOwner[s.hash(ref.ExternalID)]; ok && ref.ExternalID != "" {
		if o := s.at(n); o.ExternalID == ref.ExternalID {
			return &o
		}
	}
	if n, ok := s.byName[s.hash(strings.ToLower(ref.Account))]; ok && ref.Account != "" {
		if o := s.at(n); strings.EqualFold(o.Account, ref.Account) {
			return &o
		}
	}
	return nil
}

// Of yields the accounts of a partition in the order of the listing.
func (s *spool) Of(partition int32) iter.Seq[connector.Object] {
	return func(yield func(connector.Object) bool) {
		for _, n := range s.parts[partition] {
			if !yield(s.at(n)) {
				return
			}
		}
	}
}

func (s *spool) at(n uint32) connector.Object {
	o := parseObject(s.data.bytes[s.begin(n):s.ends[n]])
	runtime.KeepAlive(s.data)
	return o
}

// appendObject encodes o: strings with their length before them.
func appendObject(b []byte, o connector.Object) []byte {
	b = append(b, 0)
	if o.Enabled {
		b[len(b)-1] = 1
	}
	for _, s := range []string{o.Account, o.RemoteID, o.ExternalID, o.Version} {
		b = appendString(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(o.Attributes)))
	for k, v := range o.Attributes {
		b = appendString(appendString(b, k), v)
	}
	b = binary.AppendUvarint(b, uint64(len(o.Entitlements)))
	for _, e := range o.Entitlements {
		b = appendString(b, e)
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// parseObject is the inverse of appendObject. What it returns shares nothing with b.
func parseObject(b []byte) connector.Object {
	r := reader{string(b[1:])} // one copy; all strings are parts of it
	o := connector.Object{Enabled: b[0] == 1}
	for _, s := range []*string{&o.Account, &o.RemoteID, &o.ExternalID, &o.Version} {
		*s = r.text()
	}
	if n := r.number(); n > 0 {
		o.Attributes = make(map[string]string, n)
		for range n {
			k := r.text()
			o.Attributes[k] = r.text()
		}
	}
	if n := r.number(); n > 0 {
		o.Entitlements = make([]string, n)
		for i := range o.Entitlements {
			o.Entitlements[i] = r.text()
		}
	}
	return o
}

type reader struct{ rest string }

func (r *reader) number() int {
	for i := range len(r.rest) {
		if r.rest[i] < 0x80 {
			n, _ := binary.Uvarint([]byte(r.rest[:i+1]))
			r.rest = r.rest[i+1:]
			return int(n)
		}
	}
	panic("listing: a spool does not read as it was written")
}

func (r *reader) text() string {
	n := r.number()
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

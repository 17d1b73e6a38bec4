package stream

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// A cache file is a header and blocks of changes, each with its length and checksum:
//
//	head:  length of the rest u32, CRC-32C of the rest u32
//	rest:  kind u8, changes u32, anchor (offset u64, time u64, SHA-256), changes (key and value with their lengths)
//
// The blocks up to the first complete one are a whole state; each complete one after it brings the state to its anchor.
// So every prefix that ends with a complete block is a state as it once was, and a file that was cut off is as good as a
// backup: the changelog has the rest. A block that is there and does not match its checksum condemns the file.
const (
	blockHead  = 8
	blockFixed = blockHead + 1 + 4 + 8 + 8 + sha256.Size // in front of the changes
	blockSize  = 256 << 10                               // of a whole state's; of changes as much as there is

	kindHeader   = 'h'
	kindPart     = 'p' // more of the whole state follows
	kindComplete = 'c'
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged says that a cache file is not what was written.
var errDamaged = errors.New("damaged")

// anchor is the last record of a changelog that a state knows. It is looked up there again before the state is used.
type anchor struct {
	offset int64     // -1: the changelog was empty
	at     time.Time // its timestamp: all records after it are younger
	sum    [sha256.Size]byte
}

// cached is what a cache file holds.
type cached struct {
	header     string
	state      map[string][]byte
	at         anchor
	whole, end int64 // bytes of the file until the state was first whole, and until the last complete block
}

// cacheHeader says whose state a file holds. Of anybody else's it is worth nothing.
func cacheHeader(topic string, id kadm.TopicID, partition int32, instance string) string {
	return fmt.Sprintf("joinery state cache, format 1\n%s\n%s\n%d\n%s\n", topic, id, partition, instance)
}

// doubt says why a cached state must not be used; empty: nothing speaks against it so far. The changelog holds the offsets
// [start, end) and keeps tombstones for a while: what was deleted since, and whose tombstone is gone, would rise from the
// dead. Half of that time is for clocks that disagree.
func (c cached) doubt(header string, start, end int64, now time.Time, tombstones time.Duration) string {
	age := now.Sub(c.at.at)
	switch {
	case c.header != header:
		return "it is of another changelog, partition, instance or format"
	case c.at.offset >= end:
		return fmt.Sprintf("it knows offset %d, the changelog ends at %d", c.at.offset, end)
	case c.at.offset < start:
		return fmt.Sprintf("it ends at offset %d, the changelog begins at %d", c.at.offset, start)
	case age > tombstones/2:
		return fmt.Sprintf("it is %s old, tombstones are kept for %s", age.Round(time.Second), tombstones)
	case age < -tombstones/2:
		return fmt.Sprintf("it is %s younger than this machine's clock", -age.Round(time.Second))
	}
	return ""
}

// appendChange encodes one change; nil deletes.
func appendChange[K string | []byte](b []byte, key K, value []byte) []byte {
	b = append(binary.AppendUvarint(b, uint64(len(key))), key...)
	if value == nil {
		return append(b, 0)
	}
	return append(binary.AppendUvarint(b, uint64(len(value))+1), value...)
}

// parseChange decodes the first change of b. The value is part of b; ok is false if b does not begin with one.
func parseChange(b []byte) (key, value, rest []byte, ok bool) {
	n, w := binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w) {
		return nil, nil, nil, false
	}
	key, b = b[w:w+int(n)], b[w+int(n):]
	n, w = binary.Uvarint(b)
	if w <= 0 || n > uint64(len(b)-w)+1 {
		return nil, nil, nil, false
	}
	if b = b[w:]; n == 0 {
		return key, nil, b, true
	}
	return key, b[: n-1 : n-1], b[n-1:], true
}

// changeSum is what an anchor says of its record.
func changeSum(key, value []byte) [sha256.Size]byte {
	return sha256.Sum256(appendChange(nil, key, value))
}

// beginBlock leaves room in front of a block's changes.
func beginBlock(spare []byte) []byte { return append(spare[:0], make([]byte, blockFixed)...) }

// sealBlock writes into that room.
func sealBlock(b []byte, kind byte, changes int, a anchor) []byte {
	b[blockHead] = kind
	f := binary.BigEndian.AppendUint32(b[:blockHead+1], uint32(changes))
	f = binary.BigEndian.AppendUint64(f, uint64(a.offset))
	f = binary.BigEndian.AppendUint64(f, uint64(a.at.UnixMicro()))
	copy(b[len(f):], a.sum[:])
	binary.BigEndian.PutUint32(b, uint32(len(b)-blockHead))
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(b[blockHead:], castagnoli))
	return b
}

// writeCache writes a whole state to a new file at path.
func writeCache(path, header string, state map[string][]byte, a anchor) (size int64, err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	put := func(b []byte) error {
		n, err := f.Write(b)
		size += int64(n)
		return err
	}
	if err := put(sealBlock(append(beginBlock(nil), header...), kindHeader, len(state), anchor{})); err != nil {
		return size, err
	}
	b, n := beginBlock(make([]byte, 0, blockSize+blockSize/8)), 0
	for k, v := range state {
		b = appendChange(b, k, v)
		if n++; len(b) < blockSize {
			continue
		}
		if err := put(sealBlock(b, kindPart, n, anchor{})); err != nil {
			return size, err
		}
		b, n = beginBlock(b), 0
	}
	return size, put(sealBlock(b, kindComplete, n, a))
}

// readCache reads a cache file.
func readCache(path string) (c cached, err error) {
	f, err := os.Open(path)
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return c, err
	}
	r := blockReader{in: bufio.NewReaderSize(f, int(min(blockSize, info.Size()))), left: info.Size()}
	b, err := r.next()
	if err != nil || len(b) == 0 || b[0] != kindHeader {
		return c, errors.Join(errDamaged, err)
	}
	c = cached{header: string(b[blockFixed-blockHead:]), at: anchor{offset: -2}, state: make(map[string][]byte, binary.BigEndian.Uint32(b[1:]))}
	read := info.Size() - r.left
	for {
		b, err := r.next()
		if err != nil {
			return c, err
		}
		if b == nil {
			break
		}
		read += int64(blockHead + len(b))
		if err := c.take(b, read); err != nil {
			return c, err
		}
	}
	if c.whole == 0 {
		return c, fmt.Errorf("%w: it ends before its state is whole", errDamaged)
	}
	return c, nil
}

// take does what a block says; end is where it ends in the file.
func (c *cached) take(b []byte, end int64) error {
	kind, n := b[0], binary.BigEndian.Uint32(b[1:])
	a := anchor{offset: int64(binary.BigEndian.Uint64(b[5:])), at: time.UnixMicro(int64(binary.BigEndian.Uint64(b[13:])))}
	copy(a.sum[:], b[21:])
	if (kind != kindPart || c.whole > 0) && (kind != kindComplete || a.offset <= c.at.offset) {
		return fmt.Errorf("%w: a block out of order", errDamaged)
	}
	for b = b[blockFixed-blockHead:]; len(b) > 0; n-- {
		key, value, rest, ok := parseChange(b)
		if !ok {
			return fmt.Errorf("%w: no change where one must be", errDamaged)
		}
		fold(c.state, key, value)
		b = rest
	}
	if n != 0 {
		return fmt.Errorf("%w: changes are missing", errDamaged)
	}
	if kind == kindComplete {
		if c.at, c.end = a, end; c.whole == 0 {
			c.whole = end
		}
	}
	return nil
}

// fold does a change to a state. The value is copied: it is part of something larger.
func fold(state map[string][]byte, key, value []byte) {
	if value == nil {
		delete(state, string(key))
		return
	}
	state[string(key)] = bytes.Clone(value)
}

type blockReader struct {
	in   io.Reader
	left int64
	buf  []byte
}

// next gives the rest of the next block, until next is called again; nil if the file ends before the block does.
func (r *blockReader) next() ([]byte, error) {
	var head [blockHead]byte
	if r.left < blockHead {
		return nil, nil
	}
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint32(head[:]))
	if n < blockFixed-blockHead {
		return nil, fmt.Errorf("%w: a block of %d bytes", errDamaged, n)
	}
	if r.left -= blockHead; r.left < n {
		return nil, nil
	}
	r.left -= n
	if int64(cap(r.buf)) < n {
		r.buf = make([]byte, n)
	}
	b := r.buf[:n]
	if _, err := io.ReadFull(r.in, b); err != nil {
		return nil, err
	}
	if crc32.Checksum(b, castagnoli) != binary.BigEndian.Uint32(head[4:]) {
		return nil, fmt.Errorf("%w: a checksum does not match", errDamaged)
	}
	return b, nil
}

// cacheFile is a file that changes are appended to.
type cacheFile struct {
	*os.File
	whole, end int64
}

// createCache puts a new file with a whole state in the place of the one at path. It is not forced to the disk: after a
// power cut the checksums tell.
func createCache(path, header string, state map[string][]byte, a anchor) (*cacheFile, error) {
	size, err := writeCache(path+".new", header, state, a)
	if err != nil {
		return nil, err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return nil, err
	}
	return openCacheFile(path, size, size)
}

// openCacheFile goes on with a file that has been read, and cuts off what is not part of a complete block.
func openCacheFile(path string, whole, end int64) (*cacheFile, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(end); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &cacheFile{File: f, whole: whole, end: end}, nil
}

func (f *cacheFile) append(block []byte) error {
	n, err := f.Write(block)
	f.end += int64(n)
	return err
}

// compactAt is how many bytes a file may grow beyond twice its state before it is written anew.
const compactAt = 16 << 20

// compact writes the file anew when most of it is history.
func (f *cacheFile) compact() (*cacheFile, error) {
	if f.end < 2*f.whole+compactAt {
		return f, nil
	}
	c, err := readCache(f.Name())
	if err != nil {
		return f, err
	}
	new, err := createCache(f.Name(), c.header, c.state, c.at)
	if err != nil {
		return f, err
	}
	return new, f.Close()
}

// Package pack writes texts, numbers and lists as short bytes and reads them back: for state that is kept per person and
// for spools, where JSON takes too much of memory and time.
//
// It owns the form of the parts. What the parts mean, and a version byte in front of them, is the caller's. The functions
// are pure; a Reader is one goroutine's.
//
//	b := pack.AppendText([]byte{version}, name)
//	r := pack.NewReader(b)
//	version, name := r.Byte(), r.Text()
//	err := r.End()
package pack

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
	"time"
)

// ErrUnreadable says that bytes are not what they are read as.
var ErrUnreadable = errors.New("bytes are not of the form that is read")

// AppendText appends a text with its length.
func AppendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// AppendTexts appends a list of texts.
func AppendTexts(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = AppendText(b, s)
	}
	return b
}

// AppendMap appends texts by name, sorted: the same map gives the same bytes.
func AppendMap(b []byte, m map[string]string) []byte {
	b = binary.AppendUvarint(b, uint64(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = AppendText(AppendText(b, k), m[k])
	}
	return b
}

// AppendTime appends a moment of the years 1678 to 2262, or the zero time, as exact as it is.
func AppendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return binary.AppendVarint(b, 0)
	}
	return binary.AppendVarint(b, t.UnixNano())
}

// Reader reads what was appended, in the same order. After a fault it reads zeros; End says so.
type Reader struct {
	rest string
	err  error
}

// NewReader reads b. Texts are parts of one copy of it.
func NewReader(b []byte) *Reader { return &Reader{rest: string(b)} }

// End says whether everything was read, and nothing else.
func (r *Reader) End() error {
	if r.rest != "" {
		r.Fail()
	}
	return r.err
}

// Fail says that what was read cannot be: there is a fault from here on.
func (r *Reader) Fail() { r.rest, r.err = "", ErrUnreadable }

// Take reads so many bytes.
func (r *Reader) Take(n uint64) string {
	if n > uint64(len(r.rest)) {
		r.Fail()
		return ""
	}
	var s string
	s, r.rest = r.rest[:n], r.rest[n:]
	return s
}

// Byte reads one.
func (r *Reader) Byte() byte {
	if s := r.Take(1); s != "" {
		return s[0]
	}
	return 0
}

// Uvarint reads what binary.AppendUvarint wrote.
func (r *Reader) Uvarint() (v uint64) {
	for shift := 0; shift < 64; shift += 7 {
		c := r.Byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	r.Fail()
	return 0
}

// Varint reads what binary.AppendVarint wrote.
func (r *Reader) Varint() int64 {
	v := r.Uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// Text reads a text.
func (r *Reader) Text() string { return r.Take(r.Uvarint()) }

// Count is how many of something follow: no more than there are bytes left, for each takes one at least.
func (r *Reader) Count() int {
	n := r.Uvarint()
	if n > uint64(len(r.rest)) {
		r.Fail()
		return 0
	}
	return int(n)
}

// Texts reads a list; nil if it is empty.
func (r *Reader) Texts() []string {
	n := r.Count()
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.Text()
	}
	return list
}

// Map reads texts by name; nil if there are none.
func (r *Reader) Map() map[string]string {
	n := r.Count()
	if n == 0 {
		return nil
	}
	m := make(map[string]string, n)
	for range n {
		k := r.Text()
		m[k] = r.Text()
	}
	return m
}

// Time reads a moment, in UTC.
func (r *Reader) Time() time.Time {
	ns := r.Varint()
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// Package clock tells the pipeline's time.
//
// In production that is the machine's. In development it may start anywhere and be moved ahead, so that dated things
// can be tried: it runs at real speed from there, and goes on where it was after a restart. Safe for concurrent use.
package clock

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Movable is a clock ahead of (or behind) the machine's by an offset that a file keeps.
type Movable struct {
	file string

	mu     sync.Mutex
	offset time.Duration
}

// The clock stays between these: what keeps the evidence cannot tell days beyond them apart.
var (
	earliest = time.Date(1970, 1, 2, 0, 0, 0, 0, time.UTC)
	latest   = time.Date(2149, 1, 1, 0, 0, 0, 0, time.UTC)
)

// ErrBeyond is wrapped by the error of a clock that would stand where it cannot.
var ErrBeyond = fmt.Errorf("the clock stays between %s and %s", earliest.Format(time.DateOnly), latest.Format(time.DateOnly))

func within(t time.Time) error {
	if t.Before(earliest) || t.After(latest) {
		return fmt.Errorf("%s: %w", t.Format(time.DateOnly), ErrBeyond)
	}
	return nil
}

type saved struct {
	OffsetNS int64 `json:"offset_ns"`
}

// Open reads the clock kept in file. Without one the clock starts at start, or at the machine's time if that is zero.
func Open(file string, start time.Time) (*Movable, error) {
	c := &Movable{file: file}
	b, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if !start.IsZero() {
			if err := within(start); err != nil {
				return nil, fmt.Errorf("start the clock at %w", err)
			}
			c.offset = time.Until(start)
		}
		return c, c.save(c.offset)
	case err != nil:
		return nil, fmt.Errorf("read clock: %w", err)
	}
	var s saved
	if err := json.Unmarshal(b, &s); err != nil {
		return nil, fmt.Errorf("read clock %s: %w", file, err)
	}
	c.offset = time.Duration(s.OffsetNS)
	return c, nil
}

// Now is the pipeline's time, in UTC.
func (c *Movable) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.offset).UTC()
}

// Advance moves the clock ahead. It never goes back: what has happened has happened.
func (c *Movable) Advance(d time.Duration) (time.Time, error) {
	if d < 0 {
		return time.Time{}, errors.New("the clock only moves ahead: give a positive duration such as 36h or 14d")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := within(time.Now().Add(c.offset).Add(d)); err != nil {
		return time.Time{}, fmt.Errorf("move the clock to %w", err)
	}
	if err := c.save(c.offset + d); err != nil {
		return time.Time{}, err
	}
	c.offset += d
	return time.Now().Add(c.offset).UTC(), nil
}

func (c *Movable) save(offset time.Duration) error {
	b, err := json.Marshal(saved{OffsetNS: int64(offset)})
	if err == nil {
		err = os.MkdirAll(filepath.Dir(c.file), 0o755)
	}
	if err == nil {
		err = os.WriteFile(c.file+".new", b, 0o644)
	}
	if err == nil {
		err = os.Rename(c.file+".new", c.file)
	}
	if err != nil {
		return fmt.Errorf("keep clock: %w", err)
	}
	return nil
}

package stream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"golang.org/x/sync/errgroup"

	"joinery.internal/pkg/dirlock"
)

// cache keeps the state of an instance's partitions in files, so that a restart reads only the end of each changelog.
//
//	loop ── add ──> a buffer for each partition ── writer, ten times a second ──> files
//	restore ── load ──> states, each up to its anchor; then begin with what it read beyond
//
// It only ever holds what has committed, and may lag: whatever is missing at its end is in the changelog. So nothing is
// forced to the disk, a writer that fails gives a partition up, and a file of which anything is in doubt is not used.
// The methods of a nil cache do nothing. add is called by the loop and copies bytes only; load and begin by a callback.
type cache struct {
	dir  string
	lock *dirlock.Lock
	log  *slog.Logger
	done chan struct{} // closed when the writer has ended
	end  context.CancelFunc

	mu     sync.Mutex
	parts  map[int32]*pending
	queued int           // bytes in all buffers
	more   chan struct{} // capacity 1: there is something to write

	files   sync.Mutex // of what follows, and of the files themselves; never taken by the loop
	open    map[int32]*cacheFile
	preload map[int32]func() (cached, error) // started with the cache, each for the first load
}

// pending is what waits to be written of one partition.
type pending struct {
	begin  *beginning
	blocks []block // the last is added to
}

// block is changes of committed transactions, with room for its head.
type block struct {
	bytes    []byte
	changes  int
	last     anchor // of them, without its sum
	from, to int    // where in the bytes the last begins and ends: others may follow it
}

// beginning is where a partition's file begins anew or goes on.
type beginning struct {
	header     string
	whole, end int64             // of the file that goes on; 0: it is written anew
	state      map[string][]byte // what is new since; the whole state where the file is written anew
	last       anchor            // of what is new; its offset is -1 if nothing is
}

const (
	cacheEvery   = 100 * time.Millisecond // a kill loses so much of the cache, and reads it from the changelog
	cachePending = 64 << 20               // bytes waiting for a slow disk; more, and the cache is given up until the next session
	cacheSuffix  = ".state"
)

// openCache takes the instance's folder, and begins to read what is there. Without a folder, or if another process has it,
// there is no cache: it is for speed only.
func openCache(t Topology, o Options) *cache {
	if o.CacheDir == "" {
		return nil
	}
	dir := filepath.Join(o.CacheDir, url.PathEscape(t.Name), url.PathEscape(o.Instance))
	once, cancel := context.WithCancel(context.Background())
	cancel() // do not wait for a lock
	lock, err := dirlock.Acquire(once, dir)
	if err != nil {
		o.Log.Warn("no state cache: restarts read the whole changelog", "topology", t.Name, "err", err)
		return nil
	}
	ctx, end := context.WithCancel(context.Background())
	c := &cache{dir: dir, lock: lock, log: o.Log.With("topology", t.Name), done: make(chan struct{}), end: end, parts: map[int32]*pending{},
		more: make(chan struct{}, 1), open: map[int32]*cacheFile{}, preload: map[int32]func() (cached, error){}}
	c.readAhead()
	go c.run(ctx) // ends with close
	return c
}

// readAhead begins to read all files: while the session is on its way to its partitions, and mostly it gets the same.
func (c *cache) readAhead() {
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for _, id := range c.there() {
		result := make(chan struct{})
		var state cached
		var err error
		go func() { // ends by itself; whoever loads waits for it
			defer close(result)
			slots <- struct{}{}
			state, err = readCache(c.path(id))
			<-slots
		}()
		c.preload[id] = func() (cached, error) { <-result; return state, err }
	}
}

// there gives the partitions that have a file.
func (c *cache) there() (ids []int32) {
	entries, err := os.ReadDir(c.dir)
	if err != nil {
		c.log.Warn("read the state cache", "err", err)
	}
	for _, e := range entries {
		name, isCache := strings.CutSuffix(e.Name(), cacheSuffix)
		if id, err := strconv.ParseInt(name, 10, 32); isCache && err == nil {
			ids = append(ids, int32(id))
		}
	}
	return ids
}

func (c *cache) path(id int32) string { return filepath.Join(c.dir, strconv.Itoa(int(id))+cacheSuffix) }

// load gives what is cached of partitions that were assigned, and removes the files of all others. A partition is not
// written to until begin.
func (c *cache) load(ids []int32) map[int32]cached {
	if c == nil {
		return nil
	}
	c.flush()
	c.files.Lock()
	defer c.files.Unlock()
	c.mu.Lock()
	clear(c.parts)
	c.queued = 0
	c.mu.Unlock()
	for id, f := range c.open {
		c.closeFile(id, f)
	}
	for _, id := range c.there() {
		if !slices.Contains(ids, id) {
			c.remove(id)
		}
	}
	var mu sync.Mutex
	states := map[int32]cached{}
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, id := range ids {
		read := c.preload[id]
		if read == nil {
			read = func() (cached, error) { return readCache(c.path(id)) }
		}
		group.Go(func() error {
			state, err := read()
			switch {
			case errors.Is(err, fs.ErrNotExist), err == nil && state.at.offset < 0: // nothing, or of an empty changelog
			case err != nil:
				c.distrust(id, err.Error())
			default:
				mu.Lock()
				states[id] = state
				mu.Unlock()
			}
			return nil
		})
	}
	_ = group.Wait() // no error: each has been dealt with
	clear(c.preload)
	return states
}

// distrust says why a cached state is not used.
func (c *cache) distrust(id int32, why string) {
	c.log.Warn("cached state thrown away: the changelog is read in full", "partition", id, "why", why)
}

// begin makes the cache follow partitions from their restored state on.
func (c *cache) begin(parts map[int32]*beginning) {
	if c == nil {
		return
	}
	c.mu.Lock()
	for id, b := range parts {
		c.parts[id] = &pending{begin: b}
	}
	c.mu.Unlock()
	c.wake()
}

// add appends the changes of a transaction that has committed.
func (c *cache) add(changes []*kgo.Record) {
	if c == nil || len(changes) == 0 {
		return
	}
	c.mu.Lock()
	for _, r := range changes {
		if p := c.parts[r.Partition]; p != nil {
			c.queued += p.add(r)
		}
	}
	for _, p := range c.parts {
		if n := len(p.blocks); n > 0 && len(p.blocks[n-1].bytes) > blockSize { // only here: a block ends with a transaction
			p.blocks = append(p.blocks, block{})
		}
	}
	full := c.queued > cachePending
	if full {
		clear(c.parts)
		c.queued = 0
	}
	c.mu.Unlock()
	if full {
		c.log.Warn("the disk of the state cache is too slow: it is given up until the next session")
	}
	c.wake()
}

// buffers are used again: a loop that is busy fills many.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// add appends a change and returns how many bytes it takes.
func (p *pending) add(r *kgo.Record) int {
	if len(p.blocks) == 0 {
		p.blocks = append(p.blocks, block{})
	}
	b := &p.blocks[len(p.blocks)-1]
	if b.bytes == nil {
		b.bytes = beginBlock(*buffers.Get().(*[]byte))
	}
	was := len(b.bytes)
	b.bytes = appendChange(b.bytes, r.Key, r.Value)
	b.changes++
	if b.changes == 1 || r.Offset > b.last.offset {
		b.last, b.from, b.to = anchor{offset: r.Offset, at: r.Timestamp}, was, len(b.bytes)
	}
	return len(b.bytes) - was
}

// seal makes a block complete.
func (b *block) seal() []byte {
	b.last.sum = sha256.Sum256(b.bytes[b.from:b.to])
	return sealBlock(b.bytes, kindComplete, b.changes, b.last)
}

func (c *cache) wake() {
	select {
	case c.more <- struct{}{}:
	default: // it will see everything
	}
}

func (c *cache) run(ctx context.Context) {
	defer close(c.done)
	for {
		select {
		case <-c.more:
		case <-ctx.Done():
			return
		}
		pause(ctx, cacheEvery)
		c.flush()
	}
}

// close writes what waits, and gives the folder up.
func (c *cache) close() {
	if c == nil {
		return
	}
	c.end()
	<-c.done
	c.flush()
	c.files.Lock()
	defer c.files.Unlock()
	for _, read := range c.preload { // of a session that never got so far
		_, _ = read() // only to wait for it
	}
	for id, f := range c.open {
		c.closeFile(id, f)
	}
	if err := c.lock.Release(); err != nil {
		c.log.Warn("give up the state cache", "err", err)
	}
}

// flush writes what waits.
func (c *cache) flush() {
	c.files.Lock()
	defer c.files.Unlock()
	c.mu.Lock()
	work := map[int32]pending{}
	for id, p := range c.parts {
		if p.begin != nil || len(p.blocks) > 0 {
			work[id], c.parts[id] = *p, &pending{}
		}
	}
	c.queued = 0
	c.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(work)) {
		if err := c.write(id, work[id]); err != nil {
			c.log.Warn("state cache of a partition given up until the next session", "partition", id, "err", err)
			c.giveUp(id)
		}
	}
}

func (c *cache) write(id int32, p pending) (err error) {
	if b := p.begin; b != nil {
		if c.open[id], err = b.open(c.path(id)); err != nil {
			delete(c.open, id)
			return err
		}
	}
	f := c.open[id]
	if f == nil {
		return fmt.Errorf("write %s: it was never begun", c.path(id))
	}
	for _, b := range p.blocks {
		if b.changes == 0 {
			continue
		}
		err := f.append(b.seal())
		buffers.Put(&b.bytes)
		if err != nil {
			return err
		}
	}
	c.open[id], err = f.compact()
	return err
}

// open makes the file hold the restored state.
func (b *beginning) open(path string) (*cacheFile, error) {
	if b.whole == 0 {
		return createCache(path, b.header, b.state, b.last)
	}
	f, err := openCacheFile(path, b.whole, b.end)
	if err != nil || b.last.offset < 0 {
		return f, err
	}
	block := beginBlock(nil)
	for k, v := range b.state {
		block = appendChange(block, k, v)
	}
	return f, f.append(sealBlock(block, kindComplete, len(b.state), b.last))
}

// giveUp stops following a partition. Its file stays: what is whole of it is a state as it once was.
func (c *cache) giveUp(id int32) {
	c.mu.Lock()
	delete(c.parts, id)
	c.mu.Unlock()
	if f := c.open[id]; f != nil {
		c.closeFile(id, f)
	}
}

func (c *cache) closeFile(id int32, f *cacheFile) {
	delete(c.open, id)
	if err := f.Close(); err != nil {
		c.log.Warn("close the state cache", "partition", id, "err", err)
	}
}

func (c *cache) remove(id int32) {
	if err := os.Remove(c.path(id)); err != nil {
		c.log.Warn("remove the state cache", "partition", id, "err", err)
	}
}

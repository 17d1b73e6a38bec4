package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"joinery.internal/pkg/event"
)

// engine runs handlers and holds the state they see. It knows nothing of Kafka: a session (or a test) feeds it
// records, publishes what it staged, and tells it whether that was committed.
//
// All methods but deliver are called by one goroutine at a time.
type engine struct {
	topo    Topology
	codec   Codec
	inputs  map[event.Topic]Input
	outputs map[event.Topic]Output
	nparts  int32
	parts   map[int32]*partition
}

// partition is what the instance knows of one partition.
type partition struct {
	id       int32
	eng      *engine
	live     map[string][]byte // committed state: table/key -> value
	timers   timerQueue        // derived from the timer table of live
	now      time.Time         // never goes back
	assigned bool              // Assigned has run and committed

	ctx context.Context // ends when the partition is lost: the parent of its effects

	mu      sync.Mutex
	results []any // of effects, waiting for a tick to carry them
}

// effect is asked for by a handler and performed after the commit.
type effect struct {
	part *partition
	v    any
}

const timerTable = "\x00timer/"

// timersPerTick bounds what one tick fires, so that a transaction stays small when a year of timers falls due.
const timersPerTick = 500

func newEngine(topo Topology, codec Codec, nparts int32) *engine {
	e := &engine{topo: topo, codec: codec, nparts: nparts, parts: map[int32]*partition{},
		inputs: map[event.Topic]Input{}, outputs: map[event.Topic]Output{event.DeadLetters: {Topic: event.DeadLetters}}}
	for _, in := range topo.Inputs {
		e.inputs[in.Topic] = in
	}
	for _, out := range topo.Outputs {
		e.outputs[out.Topic] = out
	}
	return e
}

// take makes the engine responsible for a partition with its restored state. ctx ends when the partition is lost.
func (e *engine) take(ctx context.Context, id int32, live map[string][]byte) error {
	p := &partition{id: id, eng: e, live: live, ctx: ctx}
	for k, v := range live {
		if key, ok := strings.CutPrefix(k, timerTable); ok {
			at, err := parseTimer(v)
			if err != nil {
				return fmt.Errorf("restore timer %s of partition %d: %w", key, id, err)
			}
			p.timers.set(key, at)
		}
	}
	e.parts[id] = p
	return nil
}

// drop forgets a partition.
func (e *engine) drop(id int32) { delete(e.parts, id) }

// deliver queues the result of an effect; the next tick of the partition carries it.
func (p *partition) deliver(result any) {
	p.mu.Lock()
	p.results = append(p.results, result)
	p.mu.Unlock()
}

// handle runs what one record means and stages what follows. An error means: stage nothing of this transaction,
// abort, try again.
func (e *engine) handle(s *staged, r Record, at time.Time) error {
	p := e.parts[r.Partition]
	if p == nil {
		return fmt.Errorf("record %s of a partition that is not assigned", r.ID())
	}
	if at.After(p.now) {
		p.now = at
	}
	if err := e.assigned(s, p, r); err != nil {
		return err
	}
	if string(r.Topic) == tickTopic(e.topo.Name) {
		return e.tick(s, p, r)
	}
	in, ok := e.inputs[r.Topic]
	if !ok {
		return fmt.Errorf("record %s of a topic that is not an input", r.ID())
	}
	s.consumed++
	return e.call(s, p, r, func(tx *Tx) error { return in.Handle(tx, r) })
}

// assigned runs the topology's Assigned before anything else of a partition newly taken.
func (e *engine) assigned(s *staged, p *partition, r Record) error {
	if p.assigned || s.opened[p.id] {
		return nil
	}
	s.opened[p.id] = true
	if e.topo.Assigned == nil {
		return nil
	}
	return e.call(s, p, r, e.topo.Assigned)
}

// tick fires due timers and hands over results of effects.
func (e *engine) tick(s *staged, p *partition, r Record) error {
	results := p.takeResults()
	s.results[p] = append(s.results[p], results...)
	for _, result := range results {
		if err := e.call(s, p, r, func(tx *Tx) error { return e.topo.Result(tx, result) }); err != nil {
			return err
		}
	}
	fired, err := e.fireTimers(s, p, r)
	if err != nil || fired || len(results) > 0 || e.topo.Idle == nil {
		return err
	}
	return e.call(s, p, r, e.topo.Idle)
}

func (p *partition) takeResults() []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	results := p.results
	p.results = nil
	return results
}

func (e *engine) fireTimers(s *staged, p *partition, r Record) (fired bool, err error) {
	for n := 0; n < timersPerTick; {
		t, ok := p.timers.popDue(p.now)
		if !ok {
			break
		}
		s.popped[p] = append(s.popped[p], t)
		if !s.timerStands(p, t) { // replaced or cleared earlier in this transaction
			continue
		}
		n++
		s.put(p, timerTable+t.key, nil) // before the call, and kept: a timer that poisons does not fire for ever
		s.keep(p)
		if err := e.call(s, p, r, func(tx *Tx) error { return e.topo.Timer(tx, t.key) }); err != nil {
			return true, err
		}
		fired = true
	}
	return fired, nil
}

// call runs one handler. What it staged counts only if it succeeds; if the record is poison, a dead letter stands
// in its place.
func (e *engine) call(s *staged, p *partition, r Record, f func(*Tx) error) error {
	tx := &Tx{part: p, out: s, now: p.now, cause: r}
	mark := s.mark()
	err := f(tx)
	if err == nil {
		err = tx.err
	}
	var poison *PoisonError
	switch {
	case err == nil:
		s.keep(p)
		return nil
	case !errors.As(err, &poison):
		s.rollback(mark)
		return fmt.Errorf("handle %s: %w", r.ID(), err)
	}
	s.rollback(mark)
	tx = &Tx{part: p, out: s, now: p.now, cause: r}
	tx.Emit(event.DeadLetters, r.Key, deadLetter(e.topo.Name, tx.now, r, poison))
	if tx.err != nil {
		s.rollback(mark)
		return fmt.Errorf("dead-letter %s: %w", r.ID(), tx.err)
	}
	s.poison++
	s.keep(p)
	return nil
}

// commit folds what was staged into the live state and returns the effects to start.
func (e *engine) commit(s *staged) []effect {
	for id, puts := range s.overlay {
		p := e.parts[id]
		if p == nil { // lost since; the next owner restores it
			continue
		}
		for k, v := range puts {
			p.fold(k, v)
		}
	}
	for id := range s.opened {
		if p := e.parts[id]; p != nil {
			p.assigned = true
		}
	}
	return s.effects
}

func (p *partition) fold(k string, v []byte) {
	key, isTimer := strings.CutPrefix(k, timerTable)
	if v == nil {
		delete(p.live, k)
		if isTimer {
			p.timers.clear(key)
		}
		return
	}
	p.live[k] = v
	if isTimer {
		at, err := parseTimer(v)
		if err != nil {
			panic("stream: timer staged in a form of its own: " + err.Error())
		}
		p.timers.set(key, at)
	}
}

// abort takes back what the transaction had taken from memory: results and timers wait for the next tick.
func (e *engine) abort(s *staged) {
	for p, results := range s.results {
		p.mu.Lock()
		p.results = append(results, p.results...)
		p.mu.Unlock()
	}
	for p, timers := range s.popped {
		for _, t := range timers {
			p.timers.set(t.key, t.at)
		}
	}
}

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
// All its methods are called by one goroutine at a time; partition.deliver may be called by any.
type engine struct {
	topo    Topology
	codec   Codec
	ticks   event.Topic
	inputs  map[event.Topic]Input
	outputs map[event.Topic]Output
	nparts  int32
	parts   map[int32]*partition
	emitted int // records of the last transaction: room for the next
}

// partition is what the instance knows of one partition.
type partition struct {
	id       int32
	eng      *engine
	live     map[string][]byte // committed state: table/key -> value
	timers   timerQueue        // derived from the timer table of live
	now      time.Time         // of the last committed transaction; never goes back
	assigned bool              // Assigned has run and committed
	retries  int               // transactions in a row that a handler asked to try again

	spare map[string][]byte // an overlay to use again
	ctx   context.Context   // ends when the partition is lost: the parent of its effects

	mu      sync.Mutex
	results []any // of effects, waiting for a tick to carry them
}

// effect is asked for by a handler and performed after the commit.
type effect struct {
	part *partition
	v    any
}

// Keys of the runtime's own in a partition's state. No table can have them: its keys begin with the table's name.
const (
	timerTable = "\x00timer/" // + key: when it is due
	chainTable = "\x00chain/" // + topic: sequence and hash of the last record
	clockKey   = "\x00now"    // the partition's time
)

// timersPerTick bounds what one tick fires, so that a transaction stays small when a year of timers falls due.
const timersPerTick = 500

func newEngine(topo Topology, codec Codec, nparts int32) *engine {
	e := &engine{topo: topo, codec: codec, ticks: event.Topic(tickTopic(topo.Name)), nparts: nparts, parts: map[int32]*partition{},
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
		key, isTimer := strings.CutPrefix(k, timerTable)
		if !isTimer && k != clockKey {
			continue
		}
		at, err := parseTime(v)
		switch {
		case err != nil:
			return fmt.Errorf("restore time %q of partition %d: %w", key, id, err)
		case isTimer:
			p.timers.set(key, at)
		default:
			p.now = at
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

// errStranger says that a record came of a partition whose state is not here. Its offset must not be committed.
var errStranger = errors.New("the partition is not assigned")

// handle runs what one record means and stages what follows. An error means: commit nothing of this transaction,
// abort, try again.
func (e *engine) handle(s *staged, r Record, at time.Time) error {
	sh := s.of(r.Partition)
	if sh == nil {
		return fmt.Errorf("handle %s: %w", r.ID(), errStranger)
	}
	if at.After(sh.now) {
		sh.now = at.Truncate(time.Microsecond) // as it is kept
	}
	if err := e.assigned(s, sh, r); err != nil {
		return err
	}
	if r.Topic == e.ticks {
		return e.tick(s, sh, r)
	}
	if s.input.Topic != r.Topic { // records come in runs of a topic
		in, ok := e.inputs[r.Topic]
		if !ok {
			return fmt.Errorf("record %s of a topic that is not an input", r.ID())
		}
		s.input = in
	}
	s.consumed++
	return e.call(s, sh, r, s.input.Handle)
}

// assigned runs the topology's Assigned before anything else of a partition newly taken. The record is not to blame
// for its faults: poison here means try again.
func (e *engine) assigned(s *staged, sh *share, r Record) error {
	if sh.opened {
		return nil
	}
	sh.opened = true
	if e.topo.Assigned == nil {
		return nil
	}
	return e.call(s, sh, r, func(tx *Tx, _ Record) error { return blameless("Assigned", e.topo.Assigned(tx)) })
}

// blameless strips an error of its poison: the call was not about the record that occasioned it.
func blameless(call string, err error) error {
	var poison *PoisonError
	if errors.As(err, &poison) {
		return fmt.Errorf("%s of a partition returned poison, which only a record can be: %s", call, poison.Error())
	}
	return err
}

// tick fires due timers and hands over results of effects.
func (e *engine) tick(s *staged, sh *share, r Record) error {
	sh.ticked = true
	results := sh.part.takeResults()
	sh.results = append(sh.results, results...)
	for _, result := range results {
		if err := e.call(s, sh, r, func(tx *Tx, _ Record) error { return e.topo.Result(tx, result) }); err != nil {
			return err
		}
	}
	fired, err := e.fireTimers(s, sh, r)
	if err != nil || fired || len(results) > 0 || e.topo.Idle == nil {
		return err
	}
	return e.call(s, sh, r, func(tx *Tx, _ Record) error { return blameless("Idle", e.topo.Idle(tx)) })
}

func (p *partition) takeResults() []any {
	p.mu.Lock()
	defer p.mu.Unlock()
	results := p.results
	p.results = nil
	return results
}

func (e *engine) fireTimers(s *staged, sh *share, r Record) (fired bool, err error) {
	for n := 0; n < timersPerTick; {
		t, ok := sh.part.timers.popDue(sh.now)
		if !ok {
			break
		}
		sh.popped = append(sh.popped, t)
		if !sh.timerStands(t) { // replaced or cleared earlier in this transaction
			continue
		}
		n++
		sh.put(timerTable+t.key, nil) // before the call, and kept: a timer that poisons does not fire for ever
		sh.keep()
		if err := e.call(s, sh, r, func(tx *Tx, _ Record) error { return e.topo.Timer(tx, t.key) }); err != nil {
			return true, err
		}
		fired = true
	}
	return fired, nil
}

// call runs one handler. What it staged counts only if it succeeds; if the record is poison, a dead letter stands
// in its place.
func (e *engine) call(s *staged, sh *share, r Record, f Handler) error {
	mark := s.mark()
	s.tx = Tx{share: sh, out: s, cause: r}
	err := f(&s.tx, r)
	if err == nil {
		err = s.tx.err
	}
	if err == nil {
		sh.keep()
		return nil
	}
	s.rollback(sh, mark)
	var poison *PoisonError
	if !errors.As(err, &poison) {
		return fmt.Errorf("handle %s: %w", r.ID(), err)
	}
	s.tx = Tx{share: sh, out: s, cause: r}
	s.tx.Emit(event.DeadLetters, r.Key, deadLetter(e.topo.Name, sh.now, r, s.poisoned[r.place()], poison))
	if err := s.tx.err; err != nil {
		s.rollback(sh, mark)
		return fmt.Errorf("dead-letter %s: %w", r.ID(), err)
	}
	s.poisoned[r.place()]++
	s.poison++
	sh.keep()
	return nil
}

// commit folds what was staged into the live state and returns the effects to start.
func (e *engine) commit(s *staged) []effect {
	for _, sh := range s.shares {
		p := sh.part
		for k, v := range sh.overlay {
			p.fold(k, v)
		}
		p.now, p.assigned, p.retries = sh.now, true, 0
		sh.recycle()
	}
	e.emitted = len(s.records)
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
		at, err := parseTime(v)
		if err != nil {
			panic("stream: timer staged in a form of its own: " + err.Error())
		}
		p.timers.set(key, at)
	}
}

// abort takes back what the transaction had taken from memory: results and timers wait for the next tick.
func (e *engine) abort(s *staged) {
	for _, sh := range s.shares {
		p := sh.part
		p.mu.Lock()
		p.results = append(sh.results, p.results...)
		p.mu.Unlock()
		for _, t := range sh.popped {
			p.timers.set(t.key, t.at)
		}
	}
}

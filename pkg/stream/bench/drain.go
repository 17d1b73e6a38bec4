package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/pprof"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// drain measures how fast a backlog is worked off, by what is committed, and the processor time it takes: on a machine
// that has other things to do, that is the steadier figure.
func (w *world) drain(ctx context.Context) ([]*table, error) {
	in := w.name("in")
	if err := w.fresh(ctx, in); err != nil {
		return nil, err
	}
	if err := w.fill(ctx, in, "", w.records, w.keys, w.value); err != nil {
		return nil, err
	}
	rivals := []*rival{bare(500), ours(500), bare(5000), ours(5000), ours(0)}
	var unfound error
	if w.java != nil {
		var best *rival
		if best, unfound = w.bestDrain(ctx, in); best != nil {
			rivals = append(rivals, best)
		}
	}
	results := make(map[*rival]*drained, len(rivals))
	err := w.inTurns(ctx, rivals, func(r *rival) error {
		if results[r] == nil {
			results[r] = &drained{}
		}
		return w.drainOnce(ctx, r, in, results[r])
	})
	return []*table{drainTable(rivals, results)}, errors.Join(unfound, err, w.drop(in))
}

// drainTable has the rivals of which something is known, each beside the bare loop above it.
func drainTable(rivals []*rival, results map[*rival]*drained) *table {
	t := newTable("draining", "records/s", "of the bare loop's", "CPU us/record", "of the bare loop's")
	var bare *drained
	for _, r := range rivals {
		d := results[r]
		if d == nil || len(d.costs) == 0 {
			continue
		}
		if bare == nil || strings.HasPrefix(r.name, "bare") {
			bare = d
		}
		speed, cost := median(d.speeds), median(d.costs)
		t.row(r.name, fmt.Sprintf("%.0f", speed), fmt.Sprintf("%.0f %%", 100*speed/median(bare.speeds)),
			fmt.Sprintf("%.1f", cost), fmt.Sprintf("%.0f %%", 100*cost/median(bare.costs)))
	}
	return t
}

// drained is what the runs of a rival gave.
type drained struct {
	speeds []float64 // records a second
	costs  []float64 // microseconds of the processor a record
}

// bestDrain looks for the commit interval at which Kafka Streams drains fastest.
func (w *world) bestDrain(ctx context.Context, in string) (*rival, error) {
	return w.best(ctx, []string{"100", "50", "200", "400"},
		func(interval string) *rival {
			return w.java.streams("Kafka Streams, commit "+interval+" ms", append(forSpeed, "commit.interval.ms="+interval)...)
		},
		func(r *rival) (float64, error) {
			var d drained
			if err := w.drainOnce(ctx, r, in, &d); err != nil {
				return 0, err
			}
			return -d.speeds[0], nil
		})
}

// forSpeed is how Kafka Streams drains fastest here.
var forSpeed = []string{"consumer.max.poll.records=5000", "buffered.records.per.partition=10000", "producer.batch.size=262144", "producer.linger.ms=5",
	"statestore.cache.max.bytes=67108864"}

// drainOnce runs a rival over the backlog, and measures between about a fifth and nine tenths of it: from one commit to
// another, without its start and without the wait for a last transaction that is not full.
func (w *world) drainOnce(ctx context.Context, r *rival, in string, d *drained) (err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, time.Minute, fmt.Errorf("%s has not drained %d records in a minute", r.name, w.records))
	defer cancel()
	if w.profile != "" && strings.HasPrefix(r.name, "runtime") {
		stop, err := profiled(w.profile + "." + strings.Map(letters, r.name))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	j, stop, ended, err := w.start(ctx, r, in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	return w.admin(func(adm *kadm.Client) error {
		first, from, spent, err := w.reached(ctx, adm, r, j, ended, w.records/5)
		if err != nil {
			return err
		}
		last, to, allSpent, err := w.reached(ctx, adm, r, j, ended, w.records*9/10)
		if err != nil {
			return err
		}
		n := float64(last - first)
		d.speeds = append(d.speeds, n/to.Sub(from).Seconds())
		d.costs = append(d.costs, float64((allSpent-spent).Microseconds())/n)
		return nil
	})
}

// reached waits until the group of a job has committed that many records.
func (w *world) reached(ctx context.Context, adm *kadm.Client, r *rival, j job, ended <-chan struct{}, want int) (have int64, at time.Time, spent time.Duration, err error) {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for {
		offsets, err := adm.FetchOffsets(ctx, j.id)
		if ctx.Err() != nil {
			return 0, at, 0, context.Cause(ctx)
		}
		have = 0
		if err == nil { // the group may not be there yet
			offsets.Each(func(o kadm.OffsetResponse) {
				if o.Topic == j.in && o.At > 0 {
					have += o.At
				}
			})
		}
		if have >= int64(want) {
			at := time.Now()
			spent, err := r.spent()
			return have, at, spent, err
		}
		select {
		case <-ticker.C:
		case <-ended:
			return 0, at, 0, errors.New(r.name + " has ended before its time")
		case <-ctx.Done():
			return 0, at, 0, context.Cause(ctx)
		}
	}
}

func profiled(path string) (stop func() error, err error) {
	file, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return func() error { pprof.StopCPUProfile(); return file.Close() }, nil
}

// letters maps what does not belong into a file's name.
func letters(r rune) rune {
	if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
		return r
	}
	return '-'
}

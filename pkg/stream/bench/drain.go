package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"golang.org/x/sys/unix"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// drain measures how fast a backlog is worked off, from the first record to the last, and the processor time it takes:
// on a machine that has other things to do, that is the steadier figure. With the embedded broker it includes the broker.
func (w *world) drain(ctx context.Context, out *tabwriter.Writer) error {
	fmt.Fprintln(out, "drain\trecords/s\tof the bare loop's\tCPU us/record\tof the bare loop's")
	in := w.name("in")
	if err := w.fresh(ctx, in); err != nil {
		return err
	}
	if err := w.fill(ctx, in, w.records, w.keys, w.value); err != nil {
		return err
	}
	for _, batch := range []int{500, 5000} {
		rivals := []*rival{{name: "bare loop, copy only", run: w.drainCopy}, {name: "bare loop, count and changelog", run: w.drainCount},
			{name: "runtime, count", run: w.drainRuntime}}
		for range w.rounds {
			for _, r := range rivals {
				m, err := r.run(ctx, in, batch)
				if err != nil {
					return fmt.Errorf("%s: %w", r.name, err)
				}
				r.speeds, r.costs = append(r.speeds, m.speed), append(r.costs, m.cost)
			}
		}
		bare := rivals[1]
		for _, r := range rivals {
			fmt.Fprintf(out, "%s, %d per transaction\t%.0f\t%.0f %%\t%.1f\t%.0f %%\n", r.name, batch, median(r.speeds), 100*median(r.speeds)/median(bare.speeds),
				median(r.costs), 100*median(r.costs)/median(bare.costs))
		}
	}
	return nil
}

// rival is one way of doing the job.
type rival struct {
	name          string
	run           func(ctx context.Context, in string, batch int) (*meter, error)
	speeds, costs []float64
}

// meter stops a run when all records have come by, and tells how many did each second. Both rivals count when they handle
// a record, on one goroutine; commits lie between.
type meter struct {
	want  int
	stop  context.CancelFunc
	seen  int
	first int // records of the first call
	began time.Time
	spent time.Duration // of the processor, until began

	speed float64 // records a second
	cost  float64 // microseconds of the processor a record
}

func (m *meter) add(n int) {
	m.seen += n
	switch {
	case m.began.IsZero():
		m.began, m.first, m.spent = time.Now(), n, processor()
	case m.seen >= m.want && m.speed == 0:
		rest := float64(m.seen - m.first)
		m.speed = rest / time.Since(m.began).Seconds()
		m.cost = (processor() - m.spent).Seconds() * 1e6 / rest
		m.stop()
	}
}

// processor is the time that this process has had of the processors.
func processor() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func (w *world) drainCopy(ctx context.Context, in string, batch int) (*meter, error) {
	return w.drainLoop(ctx, in, "", batch)
}

func (w *world) drainCount(ctx context.Context, in string, batch int) (*meter, error) {
	return w.drainLoop(ctx, in, w.name("changelog"), batch)
}

func (w *world) drainLoop(ctx context.Context, in, changelog string, batch int) (*meter, error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	l := loop{w: w, in: in, out: w.name("out"), group: w.name("group"), changelog: changelog, batch: batch}
	topics := []string{l.out}
	if changelog != "" {
		topics = append(topics, changelog)
	}
	if err := w.fresh(ctx, topics...); err != nil {
		return nil, err
	}
	m := &meter{want: w.records, stop: stop}
	l.seen = m.add
	if err := l.run(ctx); err != nil {
		return nil, err
	}
	return m, nil
}

func (w *world) drainRuntime(ctx context.Context, in string, batch int) (*meter, error) {
	outer := ctx
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	name, out := w.name("count"), w.name("out")
	if err := w.fresh(ctx, out, "jml."+name+".state.v1", "jml."+name+".tick.v1", string(event.DeadLetters)); err != nil {
		return nil, err
	}
	m := &meter{want: w.records, stop: stop}
	err := w.profiled(func() error {
		return stream.Run(ctx, counting(name, in, out, func() { m.add(1) }), stream.Options{Seeds: []string{w.broker}, Codec: rawCodec{}, MaxBatch: batch})
	})
	if err != nil {
		return nil, err
	}
	if outer.Err() != nil {
		return nil, errors.New("interrupted")
	}
	return m, nil
}

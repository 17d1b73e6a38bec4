package main

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// restore writes a state of 1 KB values, starts anew, and measures how long until the state is there, and what it takes
// in memory beyond what the broker of this process holds.
func (w *world) restore(ctx context.Context, out *tabwriter.Writer) error {
	name, in := w.name("state"), w.name("in")
	if err := w.fresh(ctx, in, "jml."+name+".state.v1", "jml."+name+".tick.v1", string(event.DeadLetters)); err != nil {
		return err
	}
	if err := w.fill(ctx, in, w.settings.restore, w.settings.restore, 8); err != nil {
		return err
	}
	states := stream.NewTable[string]("person")
	body := strings.Repeat("x", 1022) // 1 KB with its quotes
	fillCtx, filled := context.WithCancel(ctx)
	defer filled()
	n := 0
	topology := stream.Topology{Name: name, Inputs: []stream.Input{{Topic: event.Topic(in), Handle: func(tx *stream.Tx, r stream.Record) error {
		states.Put(tx, r.Key, body)
		n++
		return nil
	}}}, Idle: func(*stream.Tx) error { // on a tick: what was handled before is committed
		if n >= w.settings.restore {
			filled()
		}
		return nil
	}}
	o := stream.Options{Seeds: []string{w.broker}, Codec: rawCodec{}, TickEvery: 100 * time.Millisecond}
	if err := stream.Run(fillCtx, topology, o); err != nil {
		return err
	}
	before := heap()
	readyCtx, stop := context.WithCancel(ctx)
	defer stop()
	var took time.Duration
	var held uint64
	began := time.Now()
	o.OnReady = func() {
		if took == 0 {
			took = time.Since(began)
			held = heap() - before
			stop()
		}
	}
	if err := stream.Run(readyCtx, topology, o); err != nil {
		return err
	}
	payload := float64(w.settings.restore * (1024 + len("person/person-0000000")))
	fmt.Fprintf(out, "restore of %d keys of 1 KB\t%.2f s\t%.0f keys/s\n", w.settings.restore, took.Seconds(), float64(w.settings.restore)/took.Seconds())
	fmt.Fprintf(out, "memory per key\t%.0f B\t%.2f x its payload\n", float64(held)/float64(w.settings.restore), float64(held)/payload)
	return nil
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

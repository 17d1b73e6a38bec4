// Command bench measures the stream runtime beside two that do the same stateful job on the same broker in the same run:
// the bare client's transact loop, written by hand, and Kafka Streams with exactly_once_v2.
//
//	go run ./stream/bench                            everything, in 12 minutes at most
//	go run ./stream/bench -quick                     a first impression, in 3 minutes at most
//	go run ./stream/bench -brokers tuned -only drain
//
// The job: count per key in a state with a changelog, and write each record on. Measured are records a second when a
// backlog is drained and what they cost the processor, the time from a record's writing to its reading at a steady
// rate, and how long a restart takes to restore its state, and what that takes in memory.
//
// It ends by itself, and its brokers and Java programs end with it. The numbers are of this machine at this moment; the
// ratios are what counts: rivals take turns, each figure is the median of its rounds, and the load average stands by.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// settings say how much is measured; parse has what they mean.
type settings struct {
	brokers []string
	parts   []string
	rates   []int // records a second
	streams bool  // Kafka Streams too
	records int
	rounds  int
	latency time.Duration
	restore int // keys
	quick   bool
	profile string
	keys    int // distinct, of the input
	value   int // bytes of a record
}

const partitions = 6

func main() {
	s, limit, err := parse()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("not done after %s", limit))
	err = run(ctx, s)
	cancel()
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse() (s settings, limit time.Duration, err error) {
	flag.BoolVar(&s.quick, "quick", false, "measure less of everything")
	flag.DurationVar(&limit, "limit", 0, "give up after this; default 12m, with -quick 3m")
	brokers := flag.String("brokers", "", "kinds of broker: embedded (in this process), stock (Apache Kafka as it comes), tuned (with add.partitions.to.txn.retry.backoff.ms=1), "+
		"or host:port of one that runs; default all three, with -quick embedded,tuned")
	parts := flag.String("only", "drain,latency,restore", "what to measure")
	rates := flag.String("rates", "1000,5000", "records a second of the latency")
	flag.BoolVar(&s.streams, "kstreams", true, "also Kafka Streams")
	flag.IntVar(&s.records, "records", 0, "records to drain in each round; default 400000, with -quick 150000")
	flag.IntVar(&s.rounds, "rounds", 0, "rounds of each rival; default 3, with -quick 1")
	flag.DurationVar(&s.latency, "latency", 0, "how long to measure the latency in each round; default 5s, with -quick 2s")
	flag.IntVar(&s.restore, "restore", 0, "keys of 1 KB to restore; default 1000000, with -quick 200000")
	flag.StringVar(&s.profile, "cpuprofile", "", "file for a CPU profile of the runtime's drains, of this process")
	flag.Parse()
	choose(s.quick, brokers, "embedded,tuned", "embedded,stock,tuned")
	choose(s.quick, &limit, 3*time.Minute, 12*time.Minute)
	choose(s.quick, &s.records, 150_000, 400_000)
	choose(s.quick, &s.rounds, 1, 3)
	choose(s.quick, &s.latency, 2*time.Second, 5*time.Second)
	choose(s.quick, &s.restore, 200_000, 1_000_000)
	s.brokers, s.parts = strings.Split(*brokers, ","), strings.Split(*parts, ",")
	s.keys, s.value = 10_000, 500
	for text := range strings.SplitSeq(*rates, ",") {
		rate, err := strconv.Atoi(text)
		if err != nil || rate <= 0 {
			return s, 0, fmt.Errorf("-rates: %q is not a number of records a second", text)
		}
		s.rates = append(s.rates, rate)
	}
	for _, part := range s.parts {
		if !slices.Contains([]string{"drain", "latency", "restore"}, part) {
			return s, 0, fmt.Errorf("-only: there is drain, latency and restore, but no %q", part)
		}
	}
	return s, limit, nil
}

// choose sets what was not asked for.
func choose[T comparable](quick bool, v *T, small, large T) {
	var zero T
	switch {
	case *v != zero:
	case quick:
		*v = small
	default:
		*v = large
	}
}

// run measures broker by broker. What cannot be measured is said, and does not keep the rest from being.
func run(ctx context.Context, s settings) (err error) {
	dir, err := os.MkdirTemp("", "joinery-bench-")
	if err != nil {
		return fmt.Errorf("make a folder for the brokers' data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Println(machine())
	fmt.Printf("%d partitions, %d keys, values of %d B, medians of %d\n", partitions, s.keys, s.value, s.rounds)
	var java *java
	if s.streams {
		if java, err = openJava(ctx, dir); err != nil {
			fmt.Printf("without Kafka Streams: %v\n", err)
		}
		defer java.close()
	}
	var faults []error
	for _, name := range s.brokers {
		if ctx.Err() != nil {
			faults = append(faults, fmt.Errorf("%s broker: %w", name, context.Cause(ctx)))
			continue
		}
		if err := measure(ctx, s, name, dir, java); err != nil {
			faults = append(faults, fmt.Errorf("%s broker: %w", name, err))
		}
	}
	return errors.Join(faults...)
}

func measure(ctx context.Context, s settings, name, dir string, java *java) (err error) {
	w, err := openWorld(ctx, s, name, dir)
	if err != nil {
		return err
	}
	w.java = java
	if name == "embedded" && s.streams {
		fmt.Println("\nOn the embedded broker without Kafka Streams: its Java client is answered INVALID_TXN_STATE there, and gives up.")
		w.java = nil
	}
	defer func() { err = errors.Join(err, w.close()) }()
	var faults []error
	for _, part := range []struct {
		name string
		run  func(context.Context) ([]*table, error)
	}{{"drain", w.drain}, {"latency", w.endToEnd}, {"restore", w.restoring}} {
		if !slices.Contains(s.parts, part.name) || ctx.Err() != nil {
			continue
		}
		before := load()
		tables, err := part.run(ctx)
		for _, t := range tables {
			if t.empty() {
				continue
			}
			fmt.Printf("\n%s (load average %s before, %s after)\n\n%s", w.about, before, load(), t)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", part.name, err))
		}
	}
	return errors.Join(faults...)
}

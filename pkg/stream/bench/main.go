// Command bench measures the stream runtime beside the bare client loop doing the same on the same broker, in one run:
// records per second when draining, end-to-end latency at a steady rate, restore, and memory per key.
//
//	go run ./stream/bench                          on the embedded broker, inside this process
//	go run ./stream/bench -kafka localhost:9092    on a real one
//
// The numbers are of this machine at this moment; the ratios are what counts. Each figure is the median of -rounds, and
// the rivals take turns.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
)

type settings struct {
	kafka      string
	records    int // to drain, per run
	keys       int // distinct, of the drain
	rounds     int
	rate       int // records a second, end to end
	latency    time.Duration
	restore    int // keys
	profile    string
	only       string
	partitions int32
	value      int // bytes
}

func main() {
	var s settings
	flag.StringVar(&s.kafka, "kafka", "", "host:port of a real broker; empty: the embedded one, in this process")
	flag.IntVar(&s.records, "records", 200_000, "records to drain in each run")
	flag.IntVar(&s.keys, "keys", 10_000, "distinct keys of the drain")
	flag.IntVar(&s.rounds, "rounds", 3, "runs of each")
	flag.IntVar(&s.rate, "rate", 1000, "records a second, end to end")
	flag.DurationVar(&s.latency, "latency", 10*time.Second, "how long to measure the latency")
	flag.IntVar(&s.restore, "restore", 200_000, "keys of 1 KB to restore")
	flag.StringVar(&s.profile, "cpuprofile", "", "file for a CPU profile of the runtime's drains")
	flag.StringVar(&s.only, "only", "", "drain, latency or restore; empty: all")
	flag.Parse()
	s.partitions, s.value = 6, 500
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, s); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) error {
	broker := s.kafka
	if broker == "" {
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return fmt.Errorf("start the embedded broker: %w", err)
		}
		defer cluster.Close()
		broker = cluster.ListenAddrs()[0]
	}
	w := &world{settings: s, broker: broker, run: time.Now().UnixNano()}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(out, "%s\n\n", machine(s))
	for _, part := range []struct {
		name string
		run  func(context.Context, *tabwriter.Writer) error
	}{{"drain", w.drain}, {"latency", w.endToEnd}, {"restore", w.restore}} {
		if s.only != "" && s.only != part.name {
			continue
		}
		if err := part.run(ctx, out); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Fprintln(out)
		if err := out.Flush(); err != nil {
			return fmt.Errorf("print: %w", err)
		}
	}
	return nil
}

// machine says what the numbers were taken on.
func machine(s settings) string {
	cpu := "unknown CPU"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(b)) {
			if name, ok := strings.CutPrefix(line, "model name"); ok {
				cpu = strings.TrimSpace(strings.TrimLeft(name, "\t: "))
				break
			}
		}
	}
	versions := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			switch dep.Path {
			case "github.com/twmb/franz-go", "github.com/twmb/franz-go/pkg/kfake":
				versions += ", " + strings.TrimPrefix(dep.Path, "github.com/twmb/") + " " + dep.Version
			}
		}
	}
	broker := "embedded broker in this process"
	if s.kafka != "" {
		broker = "broker at " + s.kafka
	}
	return fmt.Sprintf("%d x %s, %s/%s, %s%s; %s; %d partitions, values of %d B, %d keys",
		runtime.NumCPU(), cpu, runtime.GOOS, runtime.GOARCH, runtime.Version(), versions, broker, s.partitions, s.value, s.keys)
}

// profiled runs f under the CPU profiler if a file was asked for.
func (w *world) profiled(f func() error) error {
	if w.profile == "" {
		return f()
	}
	file, err := os.Create(w.profile)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := pprof.StartCPUProfile(file); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return f()
}

package app_test

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/bundle"
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/service"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/topics"
	"joinery.internal/pkg/wire"
	"joinery.internal/services/policy-resolver/app"
)

// broker is an embedded one with the pipeline's topics.
func broker(t *testing.T) stream.Options {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	admin, err := kadm.NewOptClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	specs, err := topics.Load()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Apply(t.Context(), admin, specs); err != nil {
		t.Fatal(err)
	}
	return stream.Options{Seeds: c.ListenAddrs(), Codec: wire.New(wire.Static())}
}

// run runs the service until the test ends, and demands that it ends well.
func run(t *testing.T, o stream.Options) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- app.Run(ctx, service.Env{Instance: "test", Kafka: o.Seeds, Registry: wire.Static()}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with %v", err)
		}
	})
}

func TestAHireThatCameBeforeThePolicyIsDecidedOnceItIsPublished(t *testing.T) {
	t.Parallel()
	o := broker(t)
	value, err := o.Codec.AppendEncode(nil, string(event.IdentityEvents), hired("ada", "Finance"))
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(o.Seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	n, err := bundle.Partitions(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	hire := &kgo.Record{Topic: string(event.IdentityEvents), Key: []byte("ada"), Value: value, Partition: stream.Partition("ada", n)}
	if err := client.ProduceSync(t.Context(), hire).FirstErr(); err != nil {
		t.Fatal(err)
	}
	run(t, o)
	cfg, err := config.LoadDir(filepath.Join("..", "internal", "access", "testdata", "policies", "corp"))
	if err != nil {
		t.Fatal(err)
	}
	if err := bundle.Publish(t.Context(), o, cfg, "lea", "a test", time.Now()); err != nil {
		t.Fatal(err)
	}
	seen := make(chan string, 16)
	f, err := stream.Follow(t.Context(), o, func(r stream.Record) error { seen <- r.Key; return nil }, event.AccessDesired)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, key := range []string{"ada|chat", "ada|erp"} {
		select {
		case got := <-seen:
			if got != key {
				t.Fatalf("desired %s, want %s", got, key)
			}
		case <-t.Context().Done():
			t.Fatalf("no desired state of %s", key)
		}
	}
}

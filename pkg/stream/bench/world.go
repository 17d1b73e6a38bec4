package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/kafkatest"
	"joinery.internal/pkg/stream"
)

// world is one broker, and the topics that the runs make in it, each with a number of its own.
type world struct {
	settings
	about string
	addr  string
	close func() error
	java  *java // nil: without Kafka Streams
	run   int64
	names atomic.Int64
}

// openWorld starts a broker of that kind, or takes the one at an address.
func openWorld(ctx context.Context, s settings, kind, dir string) (*world, error) {
	w := &world{settings: s, about: "Broker at " + kind, addr: kind, close: func() error { return nil }, run: time.Now().UnixMilli()}
	extra := map[string]string{}
	switch kind {
	case "embedded":
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
		if err != nil {
			return nil, fmt.Errorf("start the embedded broker: %w", err)
		}
		w.about, w.addr, w.close = "Embedded broker, in this process", cluster.ListenAddrs()[0], func() error { cluster.Close(); return nil }
		return w, nil
	case "tuned":
		extra["add.partitions.to.txn.retry.backoff.ms"] = "1"
		w.about = "Apache Kafka " + kafkatest.Version + ", tuned (add.partitions.to.txn.retry.backoff.ms=1)"
	case "stock":
		w.about = "Apache Kafka " + kafkatest.Version + ", stock"
	default:
		if !strings.Contains(kind, ":") {
			return nil, fmt.Errorf("there is embedded, stock, tuned and host:port")
		}
		return w, nil
	}
	// Unlike a test's, this broker is to be quick when it is warm: with both compilers, and room on its heap.
	jvm := []string{"-XX:TieredStopAtLevel=4", "-Xms1g", "-Xmx1g"}
	var err error
	w.addr, w.close, err = kafkatest.Open(ctx, filepath.Join(dir, kind), kafkatest.Options{Extra: extra, JVM: jvm})
	return w, err
}

func (w *world) name(kind string) string { return fmt.Sprintf("%s-%d-%d", kind, w.run, w.names.Add(1)) }

func (w *world) client(opts ...kgo.Opt) (*kgo.Client, error) {
	return kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.addr), kgo.RecordPartitioner(kgo.ManualPartitioner())}, opts...)...)
}

// admin calls f with an administrative client.
func (w *world) admin(f func(*kadm.Client) error) error {
	cl, err := w.client()
	if err != nil {
		return err
	}
	defer cl.Close()
	return f(kadm.NewClient(cl))
}

// fresh makes topics; those of a state are compacted.
func (w *world) fresh(ctx context.Context, topics ...string) error {
	return w.admin(func(adm *kadm.Client) error {
		compact := "compact"
		for _, topic := range topics {
			config := map[string]*string{}
			if strings.HasPrefix(topic, "jml.") || strings.HasSuffix(topic, "-changelog") {
				config["cleanup.policy"] = &compact
			}
			if _, err := adm.CreateTopic(ctx, partitions, 1, config, topic); err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
				return fmt.Errorf("create %s: %w", topic, err)
			}
		}
		return nil
	})
}

// drop removes topics that a run has made, also when the time is up.
func (w *world) drop(topics ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return w.admin(func(adm *kadm.Client) error {
		_, err := adm.DeleteTopics(ctx, topics...)
		return err
	})
}

// fill produces n records over so many keys, with values of that size. The keys begin with prefix.
func (w *world) fill(ctx context.Context, topic, prefix string, n, keys, size int) error {
	cl, err := w.client(kgo.MaxBufferedRecords(50_000), kgo.ProducerLinger(5*time.Millisecond), kgo.DefaultProduceTopic(topic))
	if err != nil {
		return err
	}
	defer cl.Close()
	values := texts(size)
	var first kgo.FirstErrPromise
	for i := range n {
		key := fmt.Sprintf("%sperson-%07d", prefix, i%keys)
		cl.Produce(ctx, &kgo.Record{Key: []byte(key), Value: values[i%len(values)], Partition: stream.Partition(key, partitions)}, first.Promise())
	}
	if err := first.Err(); err != nil {
		return fmt.Errorf("fill %s: %w", topic, err)
	}
	return nil
}

// texts gives values that compress about as well as ids and hashes do.
func texts(size int) [][]byte {
	rng := rand.New(rand.NewPCG(1, 2))
	all := make([][]byte, 1000)
	for i := range all {
		all[i] = make([]byte, size)
		for j := range all[i] {
			all[i][j] = "0123456789abcdef"[rng.IntN(16)]
		}
	}
	return all
}

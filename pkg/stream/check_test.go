package stream

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"joinery.internal/pkg/event"
)

func TestAMissingTopicIsRefusedAndSaysWhatToDo(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		topology := counting()
		topology.Outputs = append(topology.Outputs, Output{Topic: "nowhere"})
		err := w.try(topology)
		var unfit *UnfitError
		if !errors.As(err, &unfit) || len(unfit.Faults) != 1 || !strings.Contains(err.Error(), "joinery topics plan") {
			t.Fatalf("got %v", err)
		}
	})
}

// try runs a topology that should be refused: a minute must do.
func (w *world) try(topology Topology) error {
	ctx, cancel := context.WithTimeout(w.t.Context(), time.Minute)
	defer cancel()
	return Run(ctx, topology, Options{Seeds: w.broker.ListenAddrs(), Codec: jsonCodec{}, Dialer: w.reach()})
}

func TestAnOldClusterIsRefusedAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		err := newWorld(t, &kfake.VirtualNetwork{}, kfake.MaxVersions(kversion.V3_6_0())).try(counting())
		if err == nil || !strings.Contains(err.Error(), "transaction.version is 0 and must be 2") || !strings.Contains(err.Error(), "kafka-features.sh upgrade") {
			t.Errorf("got %v", err)
		}
	})
}

func TestATopicThatIsNotCompactedIsRefused(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		topology := counting()
		topology.Name = "plain"
		_, err := kadm.NewClient(w.client).CreateTopics(t.Context(), partitions, 1, nil, "jml.plain.state.v1", "jml.plain.tick.v1")
		must(t, err)
		if err := w.try(topology); err == nil || !strings.Contains(err.Error(), "jml.plain.state.v1 is not compacted") {
			t.Errorf("got %v", err)
		}
	})
}

func TestATopicOfStateThatForgetsIsRefused(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		policy := "compact,delete"
		_, err := kadm.NewClient(w.client).AlterTopicConfigs(t.Context(), []kadm.AlterConfig{{Name: "cleanup.policy", Value: &policy}}, "jml.count.state.v1")
		must(t, err)
		if err := w.try(counting()); err == nil || !strings.Contains(err.Error(), "deletes what is old") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTopicsWithDifferentPartitionsAreRefused(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		_, err := kadm.NewClient(w.client).CreateTopics(t.Context(), partitions+1, 1, nil, "wide")
		must(t, err)
		topology := counting()
		topology.Outputs = append(topology.Outputs, Output{Topic: "wide"})
		if err := w.try(topology); err == nil || !strings.Contains(err.Error(), "topic wide has 4 partitions where in has 3") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTopicsOfOneReplicaAreWarnedOfOnARealCluster(t *testing.T) {
	t.Parallel()
	for cluster, warned := range map[string]bool{embedded: false, "MkU3OEVBNTcwNTJENDM2Qg": true} {
		synctest.Test(t, func(t *testing.T) {
			w, log := newWorld(t, &kfake.VirtualNetwork{}, kfake.ClusterID(cluster)), &lockedBuffer{}
			_, err := checkTopics(t.Context(), counting(), Options{Seeds: w.broker.ListenAddrs(), Dialer: w.reach(), Log: slog.New(slog.NewTextHandler(log, nil))})
			must(t, err)
			if got := log.String(); strings.Contains(got, "replication factor 1") != warned {
				t.Errorf("of cluster %s the log says %q", cluster, got)
			}
		})
	}
}

// TestABrokerThatStandsStillDoesNotKeepASessionFromStarting: its connections open, and nothing is ever said on them.
func TestABrokerThatStandsStillDoesNotKeepASessionFromStarting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		network := &kfake.VirtualNetwork{}
		broker, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.Ports(9092, 9093, 9094), kfake.ListenFn(network.Listen), kfake.SeedTopics(partitions, "in", string(event.DeadLetters), string(event.IdentityEvents)))
		must(t, err)
		defer broker.Close()
		o := Options{Seeds: broker.ListenAddrs(), Dialer: []kgo.Opt{kgo.DisableClientMetrics(), kgo.Dialer(func(ctx context.Context, net, addr string) (net.Conn, error) {
			c, err := network.DialContext(ctx, net, addr)
			if err != nil || addr != broker.ListenAddrs()[0] {
				return c, err
			}
			return mute{c}, nil
		})}}
		cl, err := kgo.NewClient(append(o.Dialer, kgo.SeedBrokers(broker.ListenAddrs()[1]))...)
		must(t, err)
		defer cl.Close()
		compact := "compact"
		_, err = kadm.NewClient(cl).CreateTopics(t.Context(), partitions, 1, map[string]*string{"cleanup.policy": &compact}, "jml.count.state.v1", "jml.count.tick.v1")
		must(t, err)
		began := time.Now()
		_, err = checkTopics(t.Context(), counting(), o)
		must(t, err)
		if took := time.Since(began); took > 6*answerWithin {
			t.Errorf("took %s", took)
		}
	})
}

// mute is a connection on which no answer comes.
type mute struct{ net.Conn }

func (m mute) Read(b []byte) (int, error) {
	for {
		if _, err := m.Conn.Read(b); err != nil {
			return 0, err
		}
	}
}

func TestATopicThatHasNoLeaderYetIsNotAMissingTopic(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		fault := w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "jml.count.state.v1", Err: kerr.LeaderNotAvailable, Count: -1})
		w.feed("k", `"count"`)
		w.start("0", nil)
		time.Sleep(time.Minute)
		fault.Remove()
		w.check()
	})
}

func TestOneBrokerDownDoesNotKeepASessionFromStarting(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(3))
	must(t, err)
	defer broker.Close()
	down := broker.ListenAddrs()[2]
	cl, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()[:2]...), kgo.RequestRetries(1), kgo.Dialer(func(ctx context.Context, network, addr string) (net.Conn, error) {
		if addr == down {
			return nil, errors.New("connection refused")
		}
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}))
	must(t, err)
	defer cl.Close()
	_, err = checkTransactions(t.Context(), cl)
	must(t, err)
}

package stream

import (
	"context"
	"errors"
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
	must(t, checkTransactions(t.Context(), kadm.NewClient(cl)))
}

package stream

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
)

func TestAMissingTopicIsRefusedAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	topology := counting()
	topology.Outputs = append(topology.Outputs, Output{Topic: "nowhere"})
	err := Run(t.Context(), topology, Options{Seeds: w.broker.ListenAddrs(), Codec: jsonCodec{}})
	var unfit *UnfitError
	if !errors.As(err, &unfit) || len(unfit.Faults) != 1 {
		t.Fatalf("got %v", err)
	}
}

func TestAnOldClusterIsRefusedAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(kversion.V3_6_0()))
	must(t, err)
	defer broker.Close()
	err = Run(t.Context(), counting(), Options{Seeds: broker.ListenAddrs(), Codec: jsonCodec{}})
	if err == nil || !strings.Contains(err.Error(), "transaction.version is 0 and must be 2") || !strings.Contains(err.Error(), "kafka-features.sh upgrade") {
		t.Errorf("got %v", err)
	}
}

func TestATopicThatIsNotCompactedIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, nil)
	topology := counting()
	topology.Name = "plain"
	_, err := kadm.NewClient(w.client).CreateTopics(t.Context(), partitions, 1, nil, "jml.plain.state.v1", "jml.plain.tick.v1")
	must(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	err = Run(ctx, topology, Options{Seeds: w.broker.ListenAddrs(), Codec: jsonCodec{}})
	if err == nil || !strings.Contains(err.Error(), "jml.plain.state.v1 is not compacted") || !strings.Contains(err.Error(), "joinery topics plan") {
		t.Errorf("got %v", err)
	}
}

func TestATopicThatHasNoLeaderYetIsNotAMissingTopic(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		w.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Metadata}, Topic: "jml.count.state.v1", Err: kerr.LeaderNotAvailable, Count: 3})
		w.feed("k", `"count"`)
		w.start("0", nil)
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

package stream

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// UnfitError says why a topology cannot run on this cluster until somebody changes the cluster or the topology.
type UnfitError struct {
	Faults []string
	Remedy string // what to do
}

func (e *UnfitError) Error() string { return strings.Join(e.Faults, "; ") + " (" + e.Remedy + ")" }

// fitness is what a topology finds on a cluster that is fit for it.
type fitness struct {
	partitions int32 // of every topic
	log        changelog
}

// answerWithin bounds how long a session start waits for one broker before it asks another: one may stand still with its
// connections open.
const answerWithin = 3 * time.Second

// checkTopics looks whether all topics exist with the same number of partitions and the runtime's own are compacted. It
// also refuses a cluster whose transactions are not safe (KIP-890): before transaction.version 2 a delayed EndTxn may
// commit a later transaction.
func checkTopics(ctx context.Context, t Topology, o Options) (fit fitness, err error) {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.RequestTimeoutOverhead(answerWithin)}, o.Dialer...)...)
	if err != nil {
		return fit, fmt.Errorf("open client: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	cluster, err := checkTransactions(ctx, cl)
	if err != nil {
		return fit, err
	}
	names := []string{tickTopic(t.Name), stateTopic(t.Name), "jml.dlq.v1"}
	for _, in := range t.Inputs {
		names = append(names, string(in.Topic))
	}
	for _, out := range t.Outputs {
		names = append(names, string(out.Topic))
	}
	details, err := adm.ListTopics(ctx, names...)
	if err != nil {
		return fit, fmt.Errorf("list topics: %w", err)
	}
	unfit := UnfitError{Remedy: "see `joinery topics plan`; `joinery topics apply` makes the cluster match"}
	n := len(details[string(t.Inputs[0].Topic)].Partitions)
	for _, name := range names {
		d, ok := details[name]
		switch {
		case ok && d.Err != nil && !errors.Is(d.Err, kerr.UnknownTopicOrPartition): // a broker that has just started: ask again
			return fit, fmt.Errorf("describe topic %s: %w", name, d.Err)
		case !ok || d.Err != nil || len(d.Partitions) == 0:
			unfit.Faults = append(unfit.Faults, "topic "+name+" is missing")
		case n > 0 && len(d.Partitions) != n:
			unfit.Faults = append(unfit.Faults, fmt.Sprintf("topic %s has %d partitions where %s has %d", name, len(d.Partitions), t.Inputs[0].Topic, n))
		}
	}
	fit = fitness{partitions: int32(n), log: changelog{topic: stateTopic(t.Name), id: details[stateTopic(t.Name)].ID}}
	if len(unfit.Faults) == 0 {
		if fit.log.tombstones, err = checkCompacted(ctx, adm, &unfit, stateTopic(t.Name), tickTopic(t.Name)); err != nil {
			return fit, err
		}
	}
	if len(unfit.Faults) > 0 {
		return fit, &unfit
	}
	if cluster != embedded {
		warnOfSingleReplicas(o, t.Name, details)
	}
	return fit, nil
}

// embedded is the cluster id of the broker inside `joinery dev`.
const embedded = "kfake"

// warnOfSingleReplicas names the topics that live on one broker only: Kafka (up to 4.3.1 at least) is not exactly-once across
// a restart of a broker that is the only replica, even in order. The coordinator of a transaction takes partitions that
// have no leader for deleted, and skips their markers.
func warnOfSingleReplicas(o Options, topology string, details kadm.TopicDetails) {
	var alone []string
	for _, d := range details.Sorted() {
		if len(d.Partitions) > 0 && len(d.Partitions[0].Replicas) < 2 {
			alone = append(alone, d.Topic)
		}
	}
	if len(alone) > 0 {
		o.Log.Warn("topics with replication factor 1: if their broker restarts, transactions under way may be lost or hang; use 3", "topology", topology, "topics", alone)
	}
}

// checkCompacted looks at the policies of the runtime's own topics, and gives how long tombstones of the state are kept.
func checkCompacted(ctx context.Context, adm *kadm.Client, unfit *UnfitError, state, ticks string) (tombstones time.Duration, err error) {
	configs, err := adm.DescribeTopicConfigs(ctx, state, ticks)
	if err != nil {
		return 0, fmt.Errorf("describe topics: %w", err)
	}
	for _, rc := range configs {
		if rc.Err != nil {
			return 0, fmt.Errorf("describe topic %s: %w", rc.Name, rc.Err)
		}
		for _, c := range rc.Configs {
			policy := c.Key == "cleanup.policy"
			if policy && !strings.Contains(c.MaybeValue(), "compact") {
				unfit.Faults = append(unfit.Faults, "topic "+rc.Name+" is not compacted")
			}
			if policy && rc.Name == state && strings.Contains(c.MaybeValue(), "delete") {
				unfit.Faults = append(unfit.Faults, "topic "+rc.Name+" holds state, and its cleanup.policy deletes what is old")
			}
			if ms, err := strconv.ParseInt(c.MaybeValue(), 10, 64); c.Key == "delete.retention.ms" && rc.Name == state && err == nil {
				tombstones = time.Duration(min(ms, math.MaxInt64/int64(time.Millisecond))) * time.Millisecond
			}
		}
	}
	return tombstones, nil
}

// checkTransactions believes the broker that answers first: a finalized feature is the cluster's, and one broker may be
// down, or stand still. It gives the cluster's id.
func checkTransactions(ctx context.Context, cl *kgo.Client) (cluster string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*answerWithin)
	defer cancel()
	known, err := kadm.NewClient(cl).BrokerMetadata(ctx)
	if err != nil {
		return "", fmt.Errorf("reach the cluster: %w", err)
	}
	brokers := cl.DiscoveredBrokers()
	type answer struct {
		level int16
		err   error
	}
	answers := make(chan answer, len(brokers))
	for _, b := range brokers {
		go func() { // ends with ctx
			level, err := transactionVersion(ctx, b)
			answers <- answer{level, err}
		}()
	}
	faults := []error{errors.New("no broker answered")}
	for range brokers {
		a := <-answers
		switch {
		case a.err != nil:
			faults = append(faults, a.err)
		case a.level < 2:
			return "", &UnfitError{Remedy: "on Kafka 4.0 or newer, `kafka-features.sh upgrade --feature transaction.version=2`", Faults: []string{
				fmt.Sprintf("the cluster's transaction.version is %d and must be 2: before it a delayed EndTxn may commit a later transaction", a.level)}}
		default:
			return known.Cluster, nil
		}
	}
	return "", fmt.Errorf("ask the cluster for its versions: %w", errors.Join(faults...))
}

// transactionVersion asks a broker for the finalized level of the feature; a cluster that does not know it is at 0.
func transactionVersion(ctx context.Context, b *kgo.Broker) (int16, error) {
	req := kmsg.NewPtrApiVersionsRequest()
	req.ClientSoftwareName, req.ClientSoftwareVersion = "joinery", "1"
	resp, err := b.Request(ctx, req)
	if err != nil {
		return 0, err
	}
	answer := resp.(*kmsg.ApiVersionsResponse)
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return 0, err
	}
	for _, f := range answer.FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel, nil
		}
	}
	return 0, nil
}

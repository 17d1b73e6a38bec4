package stream

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// UnfitError says why a topology cannot run on this cluster until somebody changes the cluster or the topology.
type UnfitError struct {
	Faults []string
	Remedy string // what to do
}

func (e *UnfitError) Error() string { return strings.Join(e.Faults, "; ") + " (" + e.Remedy + ")" }

// checkTopics looks whether all topics exist with the same number of partitions and the runtime's own are compacted,
// and returns that number. It also refuses a cluster whose transactions are not safe (KIP-890): before
// transaction.version 2 a delayed EndTxn may commit a later transaction.
func checkTopics(ctx context.Context, t Topology, o Options) (int32, error) {
	cl, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...)}, o.Dialer...)...)
	if err != nil {
		return 0, fmt.Errorf("open client: %w", err)
	}
	defer cl.Close()
	adm := kadm.NewClient(cl)
	if err := checkTransactions(ctx, adm); err != nil {
		return 0, err
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
		return 0, fmt.Errorf("list topics: %w", err)
	}
	unfit := UnfitError{Remedy: "see `joinery topics plan`; `joinery topics apply` makes the cluster match"}
	n := len(details[string(t.Inputs[0].Topic)].Partitions)
	for _, name := range names {
		d, ok := details[name]
		switch {
		case ok && d.Err != nil && !errors.Is(d.Err, kerr.UnknownTopicOrPartition): // a broker that has just started: ask again
			return 0, fmt.Errorf("describe topic %s: %w", name, d.Err)
		case !ok || d.Err != nil || len(d.Partitions) == 0:
			unfit.Faults = append(unfit.Faults, "topic "+name+" is missing")
		case n > 0 && len(d.Partitions) != n:
			unfit.Faults = append(unfit.Faults, fmt.Sprintf("topic %s has %d partitions where %s has %d", name, len(d.Partitions), t.Inputs[0].Topic, n))
		}
	}
	if len(unfit.Faults) == 0 {
		if err := checkCompacted(ctx, adm, &unfit, stateTopic(t.Name), tickTopic(t.Name)); err != nil {
			return 0, err
		}
	}
	if len(unfit.Faults) > 0 {
		return 0, &unfit
	}
	return int32(n), nil
}

func checkCompacted(ctx context.Context, adm *kadm.Client, unfit *UnfitError, topics ...string) error {
	configs, err := adm.DescribeTopicConfigs(ctx, topics...)
	if err != nil {
		return fmt.Errorf("describe topics: %w", err)
	}
	for _, rc := range configs {
		if rc.Err != nil {
			return fmt.Errorf("describe topic %s: %w", rc.Name, rc.Err)
		}
		for _, c := range rc.Configs {
			if c.Key == "cleanup.policy" && !strings.Contains(c.MaybeValue(), "compact") {
				unfit.Faults = append(unfit.Faults, "topic "+rc.Name+" is not compacted")
			}
		}
	}
	return nil
}

// checkTransactions asks any broker: a finalized feature is the cluster's, and one broker may be down.
func checkTransactions(ctx context.Context, adm *kadm.Client) error {
	versions, err := adm.ApiVersions(ctx)
	if err != nil {
		return fmt.Errorf("ask the cluster for its versions: %w", err)
	}
	faults, answered := []error{errors.New("no broker answered")}, false
	for _, broker := range versions {
		if broker.Err != nil {
			faults = append(faults, broker.Err)
			continue
		}
		answered = true
		if level := transactionVersion(broker); level < 2 {
			return &UnfitError{Remedy: "on Kafka 4.0 or newer, `kafka-features.sh upgrade --feature transaction.version=2`", Faults: []string{
				fmt.Sprintf("the cluster's transaction.version is %d and must be 2: before it a delayed EndTxn may commit a later transaction", level)}}
		}
	}
	if !answered {
		return fmt.Errorf("ask the cluster for its versions: %w", errors.Join(faults...))
	}
	return nil
}

// transactionVersion is the finalized level of the feature; a cluster that does not know it is at 0.
func transactionVersion(b kadm.BrokerApiVersions) int16 {
	for _, f := range b.Raw().FinalizedFeatures {
		if f.Name == "transaction.version" {
			return f.MaxVersionLevel
		}
	}
	return 0
}

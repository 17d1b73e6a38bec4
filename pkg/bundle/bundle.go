// Package bundle publishes a policy folder: its files once, under their hash, and then one activation marker in every
// partition, so that each partition switches at a definite point of its log.
//
// It owns the order of those writes, not what the files mean (pkg/config, pkg/policy) nor who may publish.
package bundle

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
)

// Policy is the key of the markers: there is one policy per pipeline.
const Policy = "policy"

// Publish writes the files of cfg and the markers. It returns when all are acknowledged. Publishing the same bundle
// again is harmless: it activates what is active.
func Publish(ctx context.Context, o stream.Options, cfg *config.Config, actor, reason string, at time.Time) error {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...), kgo.RecordPartitioner(kgo.ManualPartitioner())}, o.Dialer...)...)
	if err != nil {
		return fmt.Errorf("publish policy: %w", err)
	}
	defer client.Close()
	n, err := partitions(ctx, client)
	if err != nil {
		return fmt.Errorf("publish policy: %w", err)
	}
	b := event.PolicyBundle{Hash: cfg.Hash, Files: map[string]string{}, PublishedAt: at, Actor: actor}
	for _, f := range cfg.Files {
		b.Files[f.Name] = string(f.Data)
	}
	value, err := o.Codec.AppendEncode(nil, string(event.PolicyBundles), &b)
	if err != nil {
		return fmt.Errorf("encode policy bundle: %w", err)
	}
	files := &kgo.Record{Topic: string(event.PolicyBundles), Key: []byte(cfg.Hash), Value: value, Partition: stream.Partition(cfg.Hash, n)}
	if err := client.ProduceSync(ctx, files).FirstErr(); err != nil { // before any marker names it
		return fmt.Errorf("publish policy bundle: %w", err)
	}
	marker, err := o.Codec.AppendEncode(nil, string(event.PolicyActivations), &event.PolicyActivation{Policy: Policy, Hash: cfg.Hash, Actor: actor, Reason: reason, At: at})
	if err != nil {
		return fmt.Errorf("encode policy activation: %w", err)
	}
	markers := make([]*kgo.Record, n)
	for p := range n {
		markers[p] = &kgo.Record{Topic: string(event.PolicyActivations), Key: []byte(Policy), Value: marker, Partition: p}
	}
	if err := client.ProduceSync(ctx, markers...).FirstErr(); err != nil {
		return fmt.Errorf("publish policy activation: %w", err)
	}
	return nil
}

// Active says which bundle each partition was last told to use; a partition without a marker is not in it.
func Active(ctx context.Context, o stream.Options) (map[int32]string, error) {
	active := map[int32]string{}
	f, err := stream.Follow(ctx, o, func(r stream.Record) error {
		var a event.PolicyActivation
		if err := o.Codec.Decode(r.Value, string(r.Topic), &a); err != nil {
			return fmt.Errorf("decode %s: %w", r.ID(), err)
		}
		active[r.Partition] = a.Hash
		return nil
	}, event.PolicyActivations)
	if err != nil {
		return nil, fmt.Errorf("read policy activations: %w", err)
	}
	f.Close()
	return active, nil
}

// IsActive says whether every partition was last told to use the bundle of that hash.
func IsActive(ctx context.Context, o stream.Options, hash string, n int32) (bool, error) {
	active, err := Active(ctx, o)
	if err != nil {
		return false, err
	}
	for p := range n {
		if active[p] != hash {
			return false, nil
		}
	}
	return true, nil
}

// Partitions is how many partitions the pipeline's topics have.
func Partitions(ctx context.Context, o stream.Options) (int32, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(o.Seeds...)}, o.Dialer...)...)
	if err != nil {
		return 0, fmt.Errorf("count partitions: %w", err)
	}
	defer client.Close()
	return partitions(ctx, client)
}

func partitions(ctx context.Context, client *kgo.Client) (int32, error) {
	topics, err := kadm.NewClient(client).ListTopics(ctx, string(event.PolicyActivations))
	if err != nil {
		return 0, fmt.Errorf("list topics: %w", err)
	}
	n := int32(len(topics[string(event.PolicyActivations)].Partitions))
	if n == 0 {
		return 0, fmt.Errorf("topic %s is missing: run `joinery topics apply`", event.PolicyActivations)
	}
	return n, nil
}

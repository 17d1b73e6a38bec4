package topics

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

const pollEvery = 20 * time.Millisecond

// ErrConflict means that a topic has another number of partitions than it should, which is never changed.
var ErrConflict = errors.New("partition count differs")

// Kind is what a Change is.
type Kind string

const (
	Create   Kind = "create"
	Alter    Kind = "alter"
	Conflict Kind = "conflict" // Apply refuses as long as there is one
)

// Change is a difference between the list and the cluster.
type Change struct {
	Topic  string `json:"topic"`
	Kind   Kind   `json:"kind"`
	Detail string `json:"detail"`

	spec Spec
	set  map[string]string // of Alter
}

// Plan says what Apply would do, in the order of specs. Settings that the cluster does not report are settings it does not have; they are left out.
//
//	cluster           | list              | change
//	------------------+-------------------+---------
//	no such topic     |                   | create
//	other partitions  |                   | conflict
//	setting differs   |                   | alter
//	the same          |                   | none
//	topic             | not in it         | none
func Plan(ctx context.Context, client *kadm.Client, specs []Spec) ([]Change, error) {
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
	}
	have, err := client.ListTopics(uncached(ctx), names...)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	settings, err := readSettings(ctx, client, slices.DeleteFunc(names, func(n string) bool { return !have.Has(n) }))
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, s := range specs {
		if !have.Has(s.Name) {
			changes = append(changes, Change{Topic: s.Name, Kind: Create, Detail: describe(s), spec: s})
			continue
		}
		if n := len(have[s.Name].Partitions); n != int(s.Partitions) {
			changes = append(changes, Change{Topic: s.Name, Kind: Conflict, Detail: fmt.Sprintf("it has %d partitions and must have %d: move it away and create it anew", n, s.Partitions)})
			continue
		}
		if c := alter(s, settings[s.Name]); len(c.set) > 0 {
			changes = append(changes, c)
		}
	}
	return changes, nil
}

// Apply does what Plan says and returns when the cluster shows it. With a conflict anywhere it changes nothing and returns ErrConflict.
func Apply(ctx context.Context, client *kadm.Client, specs []Spec) ([]Change, error) {
	changes, err := Plan(ctx, client, specs)
	if err != nil {
		return nil, err
	}
	for _, c := range changes {
		if c.Kind == Conflict {
			return changes, fmt.Errorf("apply topics: %s: %w: %s", c.Topic, ErrConflict, c.Detail)
		}
	}
	for _, c := range changes {
		if err := c.apply(ctx, client); err != nil {
			return changes, fmt.Errorf("%s topic %s: %w", c.Kind, c.Topic, err)
		}
	}
	if len(changes) > 0 {
		err = awaitShown(ctx, client, specs)
	}
	return changes, err
}

func (c Change) apply(ctx context.Context, client *kadm.Client) error {
	if c.Kind == Create {
		configs := map[string]*string{}
		for k, v := range c.spec.Settings() {
			configs[k] = &v
		}
		_, err := client.CreateTopic(ctx, c.spec.Partitions, c.spec.Replication, configs, c.Topic)
		return err
	}
	var sets []kadm.AlterConfig
	for _, k := range slices.Sorted(maps.Keys(c.set)) {
		v := c.set[k]
		sets = append(sets, kadm.AlterConfig{Op: kadm.SetConfig, Name: k, Value: &v})
	}
	answers, err := client.AlterTopicConfigs(ctx, sets, c.Topic)
	if err != nil {
		return err
	}
	for _, a := range answers {
		if a.Err != nil {
			return fmt.Errorf("%w %s", a.Err, a.ErrMessage)
		}
	}
	return nil
}

// awaitShown returns when every topic has a leader for each partition.
func awaitShown(ctx context.Context, client *kadm.Client, specs []Spec) error {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	for {
		missing, err := notShown(ctx, client, specs)
		if err != nil || missing == "" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait until the cluster shows topic %s: %w", missing, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

func notShown(ctx context.Context, client *kadm.Client, specs []Spec) (string, error) {
	have, err := client.ListTopics(uncached(ctx))
	if err != nil {
		return "", fmt.Errorf("list topics: %w", err)
	}
	for _, s := range specs {
		led := 0
		for _, p := range have[s.Name].Partitions {
			if p.Err == nil && p.Leader >= 0 {
				led++
			}
		}
		if led != int(s.Partitions) {
			return s.Name, nil
		}
	}
	return "", nil
}

// uncached makes the client ask the cluster: else it answers from what it knew up to five seconds ago.
func uncached(ctx context.Context) context.Context { return kadm.WithAuthorizedOps(ctx) }

func readSettings(ctx context.Context, client *kadm.Client, names []string) (map[string]map[string]string, error) {
	resources, err := client.DescribeTopicConfigs(ctx, names...)
	if err != nil {
		return nil, fmt.Errorf("read settings of topics: %w", err)
	}
	out := map[string]map[string]string{}
	for _, r := range resources {
		if r.Err != nil {
			return nil, fmt.Errorf("read settings of topic %s: %w", r.Name, r.Err)
		}
		out[r.Name] = map[string]string{}
		for _, c := range r.Configs {
			out[r.Name][c.Key] = c.MaybeValue()
		}
	}
	return out, nil
}

func alter(s Spec, have map[string]string) Change {
	c := Change{Topic: s.Name, Kind: Alter, spec: s, set: map[string]string{}}
	var words []string
	want := s.Settings()
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if now, reported := have[k]; reported && now != want[k] {
			c.set[k] = want[k]
			words = append(words, fmt.Sprintf("%s: %s -> %s", k, now, want[k]))
		}
	}
	c.Detail = strings.Join(words, ", ")
	return c
}

func describe(s Spec) string {
	words := []string{fmt.Sprintf("%d partitions", s.Partitions)}
	settings := s.Settings()
	for _, k := range slices.Sorted(maps.Keys(settings)) {
		words = append(words, k+"="+settings[k])
	}
	return strings.Join(words, ", ")
}

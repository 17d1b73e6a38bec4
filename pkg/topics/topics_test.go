package topics_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/topics"
	"joinery.internal/schemas"
)

func cluster(t *testing.T) *kadm.Client {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return kadm.NewClient(client)
}

const two = `
defaults: {partitions: 3, replication: -1}
topics:
  - {name: a.event.v1, cleanup: delete, retention: 30d, key: id, value: n.A, writer: [x], readers: [y]}
  - {name: a.state.v1, cleanup: compact, retention: long, key: id, writer: [x]}
`

func parse(t *testing.T, text string) []topics.Spec {
	t.Helper()
	specs, err := topics.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return specs
}

func TestApplyCreatesWhatIsMissingOnce(t *testing.T) {
	t.Parallel()
	ctx, client, specs := t.Context(), cluster(t), parse(t, two)
	planned, err := topics.Plan(ctx, client, specs)
	if err != nil || len(planned) != 2 || planned[0].Kind != topics.Create || planned[0].Detail != "3 partitions, cleanup.policy=delete, retention.ms=2592000000" {
		t.Fatalf("plan: %+v, %v", planned, err)
	}
	if list, err := client.ListTopics(ctx); err != nil || len(list) != 0 {
		t.Fatalf("the plan created %v, %v", list.Names(), err)
	}
	if done, err := topics.Apply(ctx, client, specs); err != nil || len(done) != 2 {
		t.Fatalf("apply: %+v, %v", done, err)
	}
	list, err := client.ListTopics(ctx)
	if err != nil || len(list) != 2 || len(list["a.state.v1"].Partitions) != 3 {
		t.Errorf("topics: %v, %v", list, err)
	}
	if again, err := topics.Apply(ctx, client, specs); err != nil || len(again) != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestApplyAltersSettingsAndSaysFromWhatToWhat(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), cluster(t)
	if _, err := topics.Apply(ctx, client, parse(t, two)); err != nil {
		t.Fatal(err)
	}
	changed := parse(t, strings.Replace(two, "30d", "7d", 1))
	done, err := topics.Apply(ctx, client, changed)
	if err != nil || len(done) != 1 || done[0].Kind != topics.Alter || done[0].Detail != "retention.ms: 2592000000 -> 604800000" {
		t.Errorf("alter: %+v, %v", done, err)
	}
	if again, err := topics.Plan(ctx, client, changed); err != nil || len(again) != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}
}

func TestAPlanIsOfTheClusterAsItIsNow(t *testing.T) {
	t.Parallel()
	ctx, client, specs := t.Context(), cluster(t), parse(t, two)
	if _, err := topics.Apply(ctx, client, specs); err != nil {
		t.Fatal(err)
	}
	brokers, err := client.ListBrokers(ctx)
	if err != nil {
		t.Fatal(err)
	}
	other, err := kgo.NewClient(kgo.SeedBrokers(fmt.Sprintf("%s:%d", brokers[0].Host, brokers[0].Port)))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := kadm.NewClient(other).DeleteTopic(ctx, "a.state.v1"); err != nil {
		t.Fatal(err)
	}
	if plan, err := topics.Plan(ctx, client, specs); err != nil || len(plan) != 1 || plan[0].Kind != topics.Create || plan[0].Topic != "a.state.v1" {
		t.Errorf("plan: %+v, %v", plan, err)
	}
}

func TestAnotherPartitionCountIsAConflictThatStopsAll(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), cluster(t)
	if _, err := client.CreateTopic(ctx, 2, -1, nil, "a.state.v1"); err != nil {
		t.Fatal(err)
	}
	changes, err := topics.Apply(ctx, client, parse(t, two))
	if !errors.Is(err, topics.ErrConflict) || !strings.Contains(err.Error(), "a.state.v1") || !strings.Contains(err.Error(), "2 partitions and must have 3") {
		t.Errorf("apply: %+v, %v", changes, err)
	}
	if list, err := client.ListTopics(ctx); err != nil || len(list) != 1 {
		t.Errorf("it created %v, %v", list.Names(), err)
	}
}

func TestTopicsThatAreNotListedAreLeftAlone(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), cluster(t)
	if _, err := client.CreateTopic(ctx, 2, -1, nil, "somebody.elses"); err != nil {
		t.Fatal(err)
	}
	if _, err := topics.Apply(ctx, client, parse(t, two)); err != nil {
		t.Fatal(err)
	}
	if list, err := client.ListTopics(ctx); err != nil || !list.Has("somebody.elses") {
		t.Errorf("topics: %v, %v", list.Names(), err)
	}
}

func TestAFaultInTheListIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	const head = "defaults: {partitions: 3, replication: -1}\ntopics:\n  - "
	for text, want := range map[string]string{
		"":             "no topics listed",
		"topic: []":    "field topic not found",
		head + "{nam}": "field nam not found",
		head + `{name: "a b", cleanup: delete, retention: 1d, key: k, value: v, writer: [w]}`:                               "line 3: a b: the name must be",
		head + `{name: a, cleanup: squash, retention: 1d, key: k, value: v, writer: [w]}`:                                   `cleanup is "squash"`,
		head + `{name: a, cleanup: delete, retention: soon, key: k, value: v, writer: [w]}`:                                 `retention "soon"`,
		head + `{name: a, cleanup: delete, key: k, value: v, writer: [w]}`:                                                  `retention ""`,
		head + `{name: a, cleanup: compact, retention: 1d, key: k, value: v, writer: [w]}`:                                  "its retention must be long",
		head + `{name: a, cleanup: delete, retention: 1d, key: k, writer: [w]}`:                                             "must be compacted",
		head + `{name: a, cleanup: delete, retention: 1d, value: v, writer: [w]}`:                                           "key is missing",
		head + `{name: a, cleanup: delete, retention: 1d, key: k, value: v}`:                                                "writer is missing",
		head + `{name: a, partitions: 0, cleanup: delete, retention: 1d, key: k, value: v, writer: [w]}`:                    "partitions must be at least 1",
		head + `{name: a, cleanup: delete, retention: 1d, key: k, value: v, writer: [w], config: {retention.ms: "1"}}`:      "set retention.ms by",
		two + "  - {name: a.event.v1, cleanup: delete, retention: 30d, key: id, value: n.A, writer: [x], readers: [y]}\n":   "line 6: a.event.v1 is listed twice",
		head + "{name: a}\n  - {name: b, cleanup: delete, retention: never, key: k, value: v, writer: [w], readers: [r]}\n": "line 4: b: retention",
	} {
		t.Run(want, func(t *testing.T) {
			t.Parallel()
			_, err := topics.Parse([]byte(text))
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", text, err)
			}
		})
	}
}

func TestTheListAgreesWithTheSchemasAndTheCode(t *testing.T) {
	t.Parallel()
	specs, err := topics.Load()
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]topics.Spec{}
	for _, s := range specs {
		listed[s.Name] = s
		if s.Partitions != specs[0].Partitions {
			t.Errorf("%s has %d partitions: one person's records would be in different partitions", s.Name, s.Partitions)
		}
		var schema struct{ Name, Namespace string }
		if text := schemas.Latest(s.Name); s.Value == "" && text != "" {
			t.Errorf("%s has a schema and no value", s.Name)
		} else if s.Value != "" {
			if err := json.Unmarshal([]byte(text), &schema); err != nil || schema.Namespace+"."+schema.Name != s.Value {
				t.Errorf("%s: the schema is of %s.%s and the list says %s (%v)", s.Name, schema.Namespace, schema.Name, s.Value, err)
			}
		}
	}
	for _, s := range schemas.Subjects() {
		if listed[s.Topic].Value == "" {
			t.Errorf("%s has a schema and is not listed with a value", s.Topic)
		}
	}
	for _, topic := range event.EvidenceTopics() {
		if s := listed[string(topic)]; s.Cleanup != topics.Delete || s.Retention != topics.Forever && s.Retention < 30*24*time.Hour {
			t.Errorf("%s is evidence and is kept by %s for %s", topic, s.Cleanup, s.Retention)
		}
	}
}

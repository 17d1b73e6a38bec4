package kafkatest_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/kafkatest"
)

// connect opens a client and makes a topic.
func connect(t *testing.T, c *kafkatest.Cluster) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Addrs()...), kgo.DefaultProduceTopic("words"), kgo.ConsumeTopics("words"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	if _, err := kadm.NewClient(client).CreateTopic(t.Context(), 1, -1, nil, "words"); err != nil {
		t.Fatal(err)
	}
	return client
}

func say(ctx context.Context, client *kgo.Client, word string) error {
	return client.ProduceSync(ctx, kgo.StringRecord(word)).FirstErr()
}

// heard reads the topic until it has that many words.
func heard(t *testing.T, client *kgo.Client, n int) (words string) {
	t.Helper()
	for len(strings.Fields(words)) < n {
		fetches := client.PollFetches(t.Context())
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) { words += string(r.Value) + " " })
	}
	return strings.TrimSpace(words)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestABrokerKeepsItsDataOverKillsAndStops(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, kafkatest.Options{})
	client := connect(t, c)
	must(t, say(t.Context(), client, "one"))
	c.Kill9(1)
	c.Restart(1)
	must(t, say(t.Context(), client, "two"))
	c.Stop(1)
	c.Restart(1)
	must(t, say(t.Context(), client, "three"))
	if got := heard(t, client, 3); got != "one two three" {
		t.Errorf("heard %q", got)
	}
}

func TestOneOfThreeBrokersMayDie(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, kafkatest.Options{Brokers: 3})
	client := connect(t, c)
	must(t, say(t.Context(), client, "one"))
	c.Kill9(2)
	must(t, say(t.Context(), client, "two"))
	if got := heard(t, client, 2); got != "one two" {
		t.Errorf("heard %q", got)
	}
}

func TestAPausedBrokerIsSilentUntilItResumes(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, kafkatest.Options{})
	client := connect(t, c)
	must(t, say(t.Context(), client, "one"))
	c.Pause(1)
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := client.Ping(ctx); err == nil {
		t.Error("a paused broker answered")
	}
	c.Resume(1)
	must(t, client.Ping(t.Context()))
}

func TestExtraSettingsReachTheBroker(t *testing.T) {
	t.Parallel()
	c := kafkatest.Start(t, kafkatest.Options{Extra: map[string]string{"add.partitions.to.txn.retry.backoff.ms": "1"}})
	configs, err := kadm.NewClient(connect(t, c)).DescribeBrokerConfigs(t.Context(), 1)
	must(t, err)
	for _, config := range configs[0].Configs {
		if config.Key == "add.partitions.to.txn.retry.backoff.ms" && config.MaybeValue() == "1" {
			return
		}
	}
	t.Error("the setting is not what was asked for")
}

// TestABrokerDiesWithItsTest has this binary run a broker of its own and be killed.
func TestABrokerDiesWithItsTest(t *testing.T) {
	if file := os.Getenv("KAFKATEST_ADDR_FILE"); file != "" {
		c := kafkatest.Start(t, kafkatest.Options{})
		must(t, os.WriteFile(file+".new", []byte(c.Addrs()[0]), 0o600))
		must(t, os.Rename(file+".new", file))
		<-t.Context().Done()
	}
	t.Parallel()
	file := t.TempDir() + "/addr"
	cmd := exec.Command(os.Args[0], "-test.run=^TestABrokerDiesWithItsTest$")
	cmd.Env = append(os.Environ(), "KAFKATEST_ADDR_FILE="+file, "TMPDIR="+t.TempDir()) // what it leaves goes with this test
	must(t, cmd.Start())
	var addr []byte
	eventually(t, "the broker serves", func() (ok bool) {
		var err error
		addr, err = os.ReadFile(file)
		return err == nil
	})
	client, err := kgo.NewClient(kgo.SeedBrokers(string(addr)))
	must(t, err)
	t.Cleanup(client.Close)
	must(t, client.Ping(t.Context()))
	must(t, cmd.Process.Kill())
	cmd.Wait() //nolint:errcheck // killed
	eventually(t, "the broker is gone", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		return client.Ping(ctx) != nil
	})
}

func eventually(t *testing.T, what string, check func() bool) {
	t.Helper()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	deadline := time.After(2 * time.Minute)
	for !check() {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not so after 2 minutes: %s", what)
		}
	}
}

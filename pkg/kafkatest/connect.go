package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"joinery.internal/pkg/child"
	"joinery.internal/pkg/dirlock"
)

// ConnectVersion names what connect.pom.xml asks for: Kafka Connect, and Debezium's connector for PostgreSQL.
const ConnectVersion = Version + "-debezium-3.6.1.Final"

// Connect runs Kafka Connect at the cluster until the test ends, with these connectors; each is given by its settings,
// and writes JSON. It returns at once: what the connectors do shows in their topics.
func (c *Cluster) Connect(connectors ...map[string]string) {
	c.t.Helper()
	dir := c.t.TempDir()
	installing, cancel := context.WithTimeout(c.t.Context(), download)
	defer cancel()
	lib, err := installConnect(installing)
	c.must(err)
	c.must(unpack("log4j2.properties", filepath.Join(dir, "log4j2.properties"), nil))
	paths := []string{filepath.Join(dir, "worker.properties")}
	settings := []map[string]string{{
		"bootstrap.servers": strings.Join(c.Addrs(), ","), "listeners": "http://127.0.0.1:0", "offset.storage.file.filename": filepath.Join(dir, "offsets"),
		"offset.flush.interval.ms": "1000", "key.converter": "org.apache.kafka.connect.json.JsonConverter", "value.converter": "org.apache.kafka.connect.json.JsonConverter",
		"plugin.discovery": "service_load", "consumer.allow.auto.create.topics": "false",
	}}
	for i, one := range connectors {
		paths, settings = append(paths, filepath.Join(dir, fmt.Sprintf("connector%d.properties", i))), append(settings, one)
	}
	for i, path := range paths {
		c.must(writeProperties(path, settings[i]))
	}
	log := filepath.Join(dir, "connect.log")
	java := append([]string{"java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Xlog:disable", "-cp", filepath.Join(lib, "*"),
		"-Dlog4j2.configurationFile=file:" + filepath.Join(dir, "log4j2.properties"), "org.apache.kafka.connect.cli.ConnectStandalone"}, paths...)
	process, err := child.Start(context.WithoutCancel(c.t.Context()), child.Spec{Args: child.Guarded(java...), Log: log})
	c.must(err)
	c.t.Cleanup(func() {
		if err := process.Stop(0); err != nil && !errors.Is(err, child.ErrKilled) {
			c.t.Errorf("kafkatest: stop Kafka Connect: %v", err)
		}
		if b, err := os.ReadFile(log); c.t.Failed() {
			c.t.Logf("end of connect.log (%v):\n%s", err, b[max(0, len(b)-logShown):])
		}
	})
}

// installConnect fetches the jars into a cache of their own, once.
func installConnect(ctx context.Context) (lib string, err error) {
	if err := toolsThere(); err != nil {
		return "", err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache folder: %w", err)
	}
	dir := filepath.Join(cache, "joinery", "connect-"+ConnectVersion)
	lock, err := dirlock.Acquire(ctx, dir)
	if err != nil {
		return "", fmt.Errorf("wait for another test to install Kafka Connect: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	lib, pom := filepath.Join(dir, "lib"), filepath.Join(dir, "pom.xml")
	return lib, atomically(ctx, lib, func(ctx context.Context, path string) error {
		if err := unpack("connect.pom.xml", pom, nil); err != nil {
			return err
		}
		return dependencies(ctx, pom, path)
	})
}

func writeProperties(path string, settings map[string]string) error {
	var b strings.Builder
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		fmt.Fprintf(&b, "%s=%s\n", key, settings[key])
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

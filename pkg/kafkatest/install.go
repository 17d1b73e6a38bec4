package kafkatest

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"joinery.internal/pkg/dirlock"
)

//go:embed pom.xml connect.pom.xml server.properties log4j2.properties
var files embed.FS

// Version of Kafka is what pom.xml asks for.
const Version = "4.3.1"

// clusterID is of every cluster: data folders are copied from one template.
const clusterID = "AAAAAAAAAAAAAAAAAAAAAQ"

// installation is the cache of one version: what brokers are started from. Each part appears at once, by a rename.
//
//	lib/           the jars
//	one/, three/   data folders, formatted, of the nodes 1 and 1 to 3
//	classes.jsa    Java's archive of the classes a broker loads: starts in half the time
type installation struct{ dir string }

// install fetches and prepares what is missing. Processes that come at the same time wait for the first.
func install(ctx context.Context) (in installation, err error) {
	if err := toolsThere(); err != nil {
		return in, err
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return in, fmt.Errorf("find the user's cache folder: %w", err)
	}
	in.dir = filepath.Join(cache, "joinery", "kafka-"+Version)
	lock, err := dirlock.Acquire(ctx, in.dir)
	if err != nil {
		return in, fmt.Errorf("wait for another test to install Kafka: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	for _, part := range []struct {
		path string
		make func(ctx context.Context, path string) error
	}{{in.lib(), in.fetch}, {in.template(1), in.format(1)}, {in.template(3), in.format(3)}, {in.archive(), in.dump}} {
		if err := atomically(ctx, part.path, part.make); err != nil {
			return in, err
		}
	}
	return in, nil
}

func (in installation) lib() string     { return filepath.Join(in.dir, "lib") }
func (in installation) archive() string { return filepath.Join(in.dir, "classes.jsa") }

// template is where the data folders of a cluster of that many nodes are copied from.
func (in installation) template(brokers int) string {
	return filepath.Join(in.dir, map[int]string{1: "one", 3: "three"}[brokers])
}

func toolsThere() error {
	var missing []string
	for _, tool := range []string{"java", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("%s not found: the tests against real Kafka need a Java runtime 17 or newer and Maven; `make tools` installs them "+
		"(Debian's packages openjdk-17-jre-headless and maven)", strings.Join(missing, " and "))
}

// atomically makes what is to be at path beside it, and moves it there when it is whole.
func atomically(ctx context.Context, path string, create func(context.Context, string) error) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	half := path + ".half"
	if err := os.RemoveAll(half); err != nil { // of an installation that was broken off
		return fmt.Errorf("clear %s: %w", half, err)
	}
	if err := create(ctx, half); err != nil {
		return err
	}
	if err := os.Rename(half, path); err != nil {
		return fmt.Errorf("install %s: %w", path, err)
	}
	return nil
}

// fetch has Maven download the jars.
func (in installation) fetch(ctx context.Context, path string) error {
	pom := filepath.Join(in.dir, "pom.xml")
	if err := unpack("pom.xml", pom, nil); err != nil {
		return err
	}
	return dependencies(ctx, pom, path)
}

// dependencies has Maven put the jars that a pom names into a folder.
func dependencies(ctx context.Context, pom, path string) error {
	return run(ctx, "mvn", "-q", "-B", "-f", pom, "dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory="+path)
}

// format makes the data folders of a cluster. They name no ports and no folders, so they can be copied anywhere.
func (in installation) format(brokers int) func(context.Context, string) error {
	return func(ctx context.Context, path string) error {
		ports := make([]int, 2*brokers)
		for i := range ports {
			ports[i] = 1 + i // nobody listens while a folder is formatted
		}
		for _, n := range newNodes(path, ports) {
			if err := n.configure(ports, nil); err != nil {
				return err
			}
			args := append(in.java(), "kafka.tools.StorageTool", "format", "-t", clusterID, "-c", n.config())
			if err := run(ctx, args[0], args[1:]...); err != nil {
				return err
			}
		}
		return nil
	}
}

// dump starts and stops a broker that writes the archive of its classes when it ends.
func (in installation) dump(ctx context.Context, path string) error {
	dir, err := os.MkdirTemp(in.dir, "dump-")
	if err != nil {
		return fmt.Errorf("create folder for the archive of classes: %w", err)
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	nodes, err := in.launch(ctx, dir, Options{Brokers: 1}, "-XX:ArchiveClassesAtExit="+path)
	if err != nil {
		return err
	}
	return nodes[0].stop(time.Minute)
}

// java is the command that every Java program of an installation begins with. Only the first compiler: a test's broker
// lives for a minute, and starts in half the time.
func (in installation) java() []string {
	command := []string{"java", "-Xms64m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xss512k", "-XX:-UsePerfData", "-Djava.awt.headless=true",
		"-Xlog:disable", "-cp", filepath.Join(in.lib(), "*")}
	if _, err := os.Stat(in.archive()); err == nil {
		command = append(command, "-XX:SharedArchiveFile="+in.archive(), "-Xshare:auto") // auto: one of another Java is left unused
	}
	return command
}

func run(ctx context.Context, name string, args ...string) error {
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("run %s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// unpack writes an embedded file, with words replaced.
func unpack(name, path string, words map[string]string) error {
	b, err := files.ReadFile(name)
	if err != nil {
		return err
	}
	var pairs []string
	for old, new := range words {
		pairs = append(pairs, old, new)
	}
	if err := os.WriteFile(path, []byte(strings.NewReplacer(pairs...).Replace(string(b))), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

package kafkatest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	patience = 2 * time.Minute  // for a broker to start or stop, on a machine that does much else
	download = 10 * time.Minute // for the jars, the first time
	logShown = 4000             // bytes of a broker's log that a failed test shows
)

// Options of a cluster.
type Options struct {
	Brokers int               // 1 or 3; 0 is 1
	Extra   map[string]string // broker settings added to the package's own, or in their place
	JVM     []string          // flags of the brokers' Java, after the package's own
}

// Cluster is a running cluster. Its brokers are numbered from 1. A method that cannot do what it says fails the test.
type Cluster struct {
	t     testing.TB
	in    installation
	jvm   []string
	nodes []*node
}

// Start runs a cluster until the test ends. It returns when all brokers serve.
func Start(t testing.TB, o Options) *Cluster {
	t.Helper()
	if o.Brokers == 0 {
		o.Brokers = 1
	}
	if o.Brokers != 1 && o.Brokers != 3 {
		t.Fatalf("kafkatest: a cluster of %d brokers: choose 1 or 3", o.Brokers)
	}
	in, nodes, err := open(t.Context(), t.TempDir(), o)
	if err != nil {
		t.Fatalf("kafkatest: %v", err)
	}
	c := &Cluster{t: t, in: in, jvm: o.JVM, nodes: nodes}
	t.Cleanup(c.close)
	return c
}

// Open runs a single broker for a program that is not a test, such as a benchmark, with its data in dir. The broker
// ends with stop, and with the process.
func Open(ctx context.Context, dir string, o Options) (addr string, stop func() error, err error) {
	o.Brokers = 1
	_, nodes, err := open(ctx, dir, o)
	if err != nil {
		return "", nil, fmt.Errorf("run a Kafka broker: %w", err)
	}
	return nodes[0].addr(), func() error { return killAll(nodes) }, nil
}

// open installs Kafka if need be, and starts a cluster in a folder of dir.
func open(ctx context.Context, dir string, o Options) (in installation, nodes []*node, err error) {
	installing, cancel := context.WithTimeout(ctx, download)
	defer cancel()
	if in, err = install(installing); err != nil {
		return in, nil, err
	}
	starting, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for try := range 3 { // a port found free may be taken a moment later
		if nodes, err = in.launch(starting, filepath.Join(dir, fmt.Sprint(try)), o, o.JVM...); err == nil {
			return in, nodes, nil
		}
	}
	return in, nil, err
}

// Addrs gives the brokers' addresses, host:port, in order.
func (c *Cluster) Addrs() []string {
	var addrs []string
	for _, n := range c.nodes {
		addrs = append(addrs, n.addr())
	}
	return addrs
}

// Kill9 kills broker i and returns when it is gone.
func (c *Cluster) Kill9(i int) {
	c.t.Helper()
	c.must(c.node(i).kill())
}

// Stop stops broker i in order and returns when it is gone.
func (c *Cluster) Stop(i int) {
	c.t.Helper()
	c.must(c.node(i).stop(patience))
}

// Restart starts broker i again on its data, and returns when it serves.
func (c *Cluster) Restart(i int) {
	c.t.Helper()
	n := c.node(i)
	if n.process != nil {
		c.t.Fatalf("kafkatest: broker %d runs already", i)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	c.must(n.start(ctx, c.in, c.jvm...))
	c.must(n.ready(ctx))
}

// Pause stops broker i from running until Resume: its connections stay open and say nothing.
func (c *Cluster) Pause(i int) {
	c.t.Helper()
	c.must(c.node(i).signal(unix.SIGSTOP))
}

// Resume lets broker i run again.
func (c *Cluster) Resume(i int) {
	c.t.Helper()
	c.must(c.node(i).signal(unix.SIGCONT))
}

func (c *Cluster) node(i int) *node {
	c.t.Helper()
	at := slices.IndexFunc(c.nodes, func(n *node) bool { return n.id == i })
	if at < 0 {
		c.t.Fatalf("kafkatest: no broker %d among %d", i, len(c.nodes))
	}
	return c.nodes[at]
}

func (c *Cluster) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("kafkatest: %v", err)
	}
}

// close throws the cluster away, and shows what its brokers had to say if the test has failed.
func (c *Cluster) close() {
	if err := killAll(c.nodes); err != nil {
		c.t.Errorf("kafkatest: %v", err)
	}
	if !c.t.Failed() {
		return
	}
	for _, n := range c.nodes {
		b, err := os.ReadFile(n.log())
		if err != nil {
			c.t.Errorf("kafkatest: read log of broker %d: %v", n.id, err)
			continue
		}
		c.t.Logf("end of %s:\n%s", filepath.Base(n.dir)+"/"+filepath.Base(n.log()), b[max(0, len(b)-logShown):])
	}
}

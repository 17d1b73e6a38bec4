package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"joinery.internal/pkg/child"
)

// node is one broker: its folder, and its process while it has one.
type node struct {
	id      int // from 1
	dir     string
	port    int
	process *child.Process // the shell that guards the broker
	pid     int            // of the broker
	started int64          // length of the log when the process was started
}

// newNodes lays out a cluster: ports has two for each node, the broker's and the controller's.
func newNodes(dir string, ports []int) []*node {
	nodes := make([]*node, len(ports)/2)
	for i := range nodes {
		nodes[i] = &node{id: i + 1, dir: filepath.Join(dir, fmt.Sprint("n", i+1)), port: ports[2*i]}
	}
	return nodes
}

func (n *node) config() string  { return filepath.Join(n.dir, "server.properties") }
func (n *node) logging() string { return filepath.Join(n.dir, "log4j2.properties") }
func (n *node) log() string     { return filepath.Join(n.dir, "broker.log") }
func (n *node) addr() string    { return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.port)) }

// configure writes the node's configuration, with extra settings at its end: the last of two counts.
func (n *node) configure(ports []int, extra map[string]string) error {
	if err := os.MkdirAll(n.dir, 0o700); err != nil {
		return fmt.Errorf("create folder of broker %d: %w", n.id, err)
	}
	brokers := len(ports) / 2
	var voters []string
	for i := range brokers {
		voters = append(voters, fmt.Sprintf("%d@127.0.0.1:%d", i+1, ports[2*i+1]))
	}
	err := unpack("server.properties", n.config(), map[string]string{
		"=NODE": fmt.Sprint("=", n.id), "VOTERS": strings.Join(voters, ","), "FOLDER": n.dir,
		"BROKERPORT": strconv.Itoa(n.port), "CONTROLPORT": strconv.Itoa(ports[2*n.id-1]),
		"=REPLICAS": fmt.Sprint("=", brokers), "=INSYNC": fmt.Sprint("=", (brokers+1)/2),
	})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(n.config(), os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open configuration of broker %d: %w", n.id, err)
	}
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		if _, err := fmt.Fprintf(f, "%s=%s\n", key, extra[key]); err != nil {
			return errors.Join(fmt.Errorf("write configuration of broker %d: %w", n.id, err), f.Close())
		}
	}
	return f.Close()
}

// launch makes a cluster in dir and starts it. flags are more for Java. After an error no process is left.
func (in installation) launch(ctx context.Context, dir string, o Options, flags ...string) ([]*node, error) {
	ports, err := freePorts(2 * o.Brokers)
	if err != nil {
		return nil, err
	}
	nodes := newNodes(dir, ports)
	for _, n := range nodes {
		if err := n.configure(ports, o.Extra); err != nil {
			return nil, err
		}
		if err := unpack("log4j2.properties", n.logging(), nil); err != nil {
			return nil, err
		}
		template := filepath.Join(in.template(o.Brokers), filepath.Base(n.dir), "data")
		if err := os.CopyFS(filepath.Join(n.dir, "data"), os.DirFS(template)); err != nil {
			return nil, fmt.Errorf("copy formatted data folder: %w", err)
		}
	}
	for _, n := range nodes {
		if err := n.start(ctx, in, flags...); err != nil {
			return nil, errors.Join(err, killAll(nodes))
		}
	}
	for _, n := range nodes {
		if err := n.ready(ctx); err != nil {
			return nil, errors.Join(err, killAll(nodes))
		}
	}
	return nodes, nil
}

func killAll(nodes []*node) (err error) {
	for _, n := range nodes {
		err = errors.Join(err, n.kill())
	}
	return err
}

func (n *node) start(ctx context.Context, in installation, flags ...string) error {
	if info, err := os.Stat(n.log()); err == nil {
		n.started = info.Size()
	}
	java := slices.Concat(in.java(), flags, []string{"-Dlog4j2.configurationFile=file:" + n.logging(), "kafka.Kafka", n.config()})
	process, err := child.Start(context.WithoutCancel(ctx), child.Spec{Args: child.Guarded(java...), Log: n.log()})
	if err != nil {
		return fmt.Errorf("start broker %d: %w", n.id, err)
	}
	line, err := process.Ready(ctx)
	if err == nil {
		n.pid, err = strconv.Atoi(line)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start broker %d: %w", n.id, err), process.Stop(0))
	}
	n.process = process
	return nil
}

// ready waits until the broker says in its log that it serves.
func (n *node) ready(ctx context.Context) error {
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		b, err := os.ReadFile(n.log())
		if err == nil && strings.Contains(string(b[min(n.started, int64(len(b))):]), "Kafka Server started") {
			return nil
		}
		select {
		case <-ticker.C:
		case <-n.process.Done():
			return fmt.Errorf("broker %d ended while it started: %w", n.id, n.process.Err())
		case <-ctx.Done():
			return fmt.Errorf("wait until broker %d has started: %w", n.id, context.Cause(ctx))
		}
	}
}

// signal reaches the broker, not its guard.
func (n *node) signal(s unix.Signal) error {
	if n.process == nil {
		return fmt.Errorf("broker %d is not running", n.id)
	}
	if err := unix.Kill(n.pid, s); err != nil {
		return fmt.Errorf("signal broker %d: %w", n.id, err)
	}
	return nil
}

// kill ends the broker as `kill -9` does; one that does not run is left alone.
func (n *node) kill() error {
	if n.process == nil {
		return nil
	}
	if err := n.signal(unix.SIGKILL); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	<-n.process.Done()
	n.process = nil
	return nil
}

// stop ends the broker in order.
func (n *node) stop(patience time.Duration) error {
	if err := n.signal(unix.SIGTERM); err != nil {
		return err
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-n.process.Done():
		n.process = nil
		return nil
	case <-timer.C:
		return errors.Join(fmt.Errorf("broker %d did not stop in %s", n.id, patience), n.kill())
	}
}

// freePorts finds ports on which nobody listens, below those that the kernel gives to outgoing connections: a client
// that looks for a broker that is down must not take its port.
func freePorts(n int) ([]int, error) {
	var ports []int
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil || slices.Contains(ports, port) {
			continue
		}
		if err := l.Close(); err != nil {
			return nil, fmt.Errorf("try port %d: %w", port, err)
		}
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, errors.New("found no free ports on loopback between 20000 and 32000")
}

package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

// world is a broker with the topics of the topology "counting", and the instances that run it. In a synctest bubble
// its network and its time are virtual.
type world struct {
	t      *testing.T
	broker *kfake.Cluster
	dial   func(ctx context.Context, network, address string) (net.Conn, error)
	client *kgo.Client // of the test: no faults on its way
	inputs int
	faults []*kfake.FaultHandle // that the broker may still answer with

	mu   sync.Mutex
	live map[int32]map[string][]byte // of each partition, after the last commit
}

// newWorld starts a broker, on the virtual network if one is given.
func newWorld(t *testing.T, network *kfake.VirtualNetwork, opts ...kfake.Opt) *world {
	t.Helper()
	w := &world{t: t, live: map[int32]map[string][]byte{}, dial: (&net.Dialer{}).DialContext}
	opts = append(opts, kfake.NumBrokers(1))
	if network != nil {
		w.dial = network.DialContext
		opts = append(opts, kfake.Ports(9092), kfake.ListenFn(network.Listen))
	}
	var err error
	if w.broker, err = kfake.NewCluster(opts...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.broker.Close)
	if w.client, err = kgo.NewClient(append(w.reach(), kgo.RecordPartitioner(kgo.ManualPartitioner()))...); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.client.Close)
	adm := kadm.NewClient(w.client)
	compact := "compact"
	for topic, config := range map[string]map[string]*string{
		"in": nil, string(event.IdentityEvents): nil, string(event.DeadLetters): nil,
		"jml.count.state.v1": {"cleanup.policy": &compact}, "jml.count.tick.v1": {"cleanup.policy": &compact},
	} {
		if _, err := adm.CreateTopic(t.Context(), partitions, 1, config, topic); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// reach gives the options of a client of this world.
func (w *world) reach() []kgo.Opt {
	return []kgo.Opt{kgo.SeedBrokers(w.broker.ListenAddrs()...), kgo.Dialer(w.dial), kgo.DisableClientMetrics()}
}

// feed produces an input; values are JSON, or poison.
func (w *world) feed(key, value string) {
	w.t.Helper()
	r := &kgo.Record{Topic: "in", Partition: Partition(key, partitions), Key: []byte(key), Value: []byte(value)}
	if err := w.client.ProduceSync(w.t.Context(), r).FirstErr(); err != nil {
		w.t.Fatal(err)
	}
	w.inputs++
}

// instance is one process's worth of the topology, and its way to the broker.
type instance struct {
	w       *world
	name    string
	way     *way
	options func(*Options)
	stop    func()

	mu   sync.Mutex
	kill string // the failpoint at which the session dies next
}

var errKilled = errors.New("killed")

// start runs an instance until stop or the end of the test.
func (w *world) start(name string, change func(*Options)) *instance {
	i := &instance{w: w, name: name, way: &way{dial: w.dial}, options: change}
	i.run(counting())
	return i
}

func (i *instance) run(topology Topology) {
	o := Options{Seeds: i.w.broker.ListenAddrs(), Instance: i.name, Codec: jsonCodec{}, SessionTimeout: 10 * time.Second,
		Dialer: []kgo.Opt{kgo.Dialer(i.way.DialContext), kgo.DisableClientMetrics()}, failpoint: i.failpoint}
	if i.options != nil {
		i.options(&o)
	}
	ctx, cancel := context.WithCancel(i.w.t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, topology, o) }()
	i.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			i.w.t.Error(err)
		}
	})
	i.w.t.Cleanup(i.stop)
}

func (i *instance) restart() {
	i.stop()
	i.run(counting())
}

// killAt makes the session die when it next reaches the point.
func (i *instance) killAt(point string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.kill = point
}

func (i *instance) failpoint(s *session, point string) error {
	if point == "after fold" || point == "applied" {
		i.w.mu.Lock()
		for id, p := range s.eng.parts {
			i.w.live[id] = maps.Clone(p.live)
		}
		i.w.mu.Unlock()
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.kill != point {
		return nil
	}
	i.kill = ""
	return errKilled
}

// audit waits until every input has led to something, then reads all there is.
func (w *world) audit() audit {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Minute)
	defer cancel()
	cl, err := kgo.NewClient(append(w.reach(), kgo.ConsumeTopics(string(event.IdentityEvents), string(event.DeadLetters)),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.FetchIsolationLevel(kgo.ReadCommitted()))...)
	if err != nil {
		w.t.Fatal(err)
	}
	defer cl.Close()
	for seen := 0; seen < w.inputs; {
		fetches := cl.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			w.t.Errorf("after %d of %d outputs: %v", seen, w.inputs, err)
			break
		}
		seen += fetches.NumRecords()
	}
	read := func(topic string) []*kgo.Record { return committed(w.t.Context(), w.t, topic, w.reach()...) }
	return audit{inputs: read("in"), events: read(string(event.IdentityEvents)), dead: read(string(event.DeadLetters)),
		changelog: read("jml.count.state.v1")}
}

// check audits the world.
func (w *world) check() {
	w.t.Helper()
	for _, fault := range w.audit().faults() {
		w.t.Error(fault)
	}
}

// way is an instance's network: it can freeze, and lose the answer of a request that the broker has carried out.
type way struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	thaw chan struct{} // closed when it moves again; nil: it moves
	lose map[int16]int // answers to lose, by request key
}

func (l *way) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	l.wait()
	c, err := l.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, way: l}, nil
}

// freeze stops everything for a while, or until heal.
func (l *way) freeze(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.thaw != nil {
		return
	}
	thaw := make(chan struct{})
	l.thaw = thaw
	time.AfterFunc(d, func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.thaw == thaw {
			close(thaw)
			l.thaw = nil
		}
	})
}

func (l *way) loseAnswer(key int16) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.lose == nil {
		l.lose = map[int16]int{}
	}
	l.lose[key]++
}

func (l *way) heal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.thaw != nil {
		close(l.thaw)
	}
	l.thaw, l.lose = nil, nil
}

func (l *way) wait() {
	for {
		l.mu.Lock()
		thaw := l.thaw
		l.mu.Unlock()
		if thaw == nil {
			return
		}
		<-thaw
	}
}

type conn struct {
	net.Conn
	way *way

	mu   sync.Mutex
	lost bool // the answer to come is lost
}

// Write carries whole requests: their length in 4 bytes, their key in 2.
func (c *conn) Write(b []byte) (int, error) {
	c.way.wait()
	if len(b) > 6 {
		key := int16(b[4])<<8 | int16(b[5])
		c.way.mu.Lock()
		if c.way.lose[key] > 0 {
			c.way.lose[key]--
			c.mu.Lock()
			c.lost = true
			c.mu.Unlock()
		}
		c.way.mu.Unlock()
	}
	return c.Conn.Write(b)
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.way.wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost && err == nil {
		c.Close()
		return 0, io.EOF
	}
	return n, err
}

// pick chooses one of them.
func pick[T any](rng *rand.Rand, from []T) T { return from[rng.IntN(len(from))] }

// mixed gives the ith input of a world: all kinds of verbs over a few keys.
func mixed(rng *rand.Rand, i int) (key, value string) {
	return fmt.Sprintf("k%d", rng.IntN(7)), pick(rng, []string{`"count"`, `"count"`, `"timer"`, `"effect"`, `"late"`, fmt.Sprintf("poison %d", i)})
}

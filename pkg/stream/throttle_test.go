package stream

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
)

func TestInputsWaitWhileTooManyEffectsRun(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		var running, most atomic.Int64
		topology := counting()
		topology.Perform = func(_ context.Context, v any) any {
			most.Store(max(most.Load(), running.Add(1)))
			time.Sleep(time.Second)
			running.Add(-1)
			return v
		}
		i := &instance{w: w, name: "0", way: &way{dial: w.dial}, options: func(o *Options) { o.MaxEffects, o.MaxBatch = 10, 5 }}
		i.run(topology)
		for n := range 100 {
			w.feed(fmt.Sprintf("k%d", n), `"effect"`)
		}
		w.check()
		if n := most.Load(); n > 15 {
			t.Errorf("%d effects at a time, asked for about 10", n)
		}
	})
}

func TestInputsThatYieldWaitAndAnUrgentOneDoesNot(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		if _, err := kadm.NewClient(w.client).CreateTopic(t.Context(), partitions, 1, nil, "alarms"); err != nil {
			t.Fatal(err)
		}
		topology := counting()
		topology.Inputs = append(topology.Inputs, Input{Topic: "alarms", Handle: topology.Inputs[0].Handle, Urgent: true})
		var yield atomic.Bool
		yield.Store(true)
		i := &instance{w: w, name: "0", way: &way{dial: w.dial}, options: func(o *Options) { o.Yield = yield.Load }}
		i.run(topology)
		for n := range 20 {
			w.feed(fmt.Sprintf("k%d", n), `"count"`)
		}
		alarm := &kgo.Record{Topic: "alarms", Partition: Partition("k0", partitions), Key: []byte("k0"), Value: []byte(`"count"`)}
		if err := w.client.ProduceSync(t.Context(), alarm).FirstErr(); err != nil {
			t.Fatal(err)
		}
		handled := func() int {
			return len(committed(t.Context(), t, string(event.IdentityEvents), w.reach()...))
		}
		time.Sleep(5 * time.Second)
		if n := handled(); n != 1 {
			t.Errorf("%d records were handled while the others yield; want the alarm alone", n)
		}
		yield.Store(false)
		time.Sleep(5 * time.Second)
		if n := handled(); n != 21 {
			t.Errorf("%d records were handled in the end, want 21", n)
		}
	})
}

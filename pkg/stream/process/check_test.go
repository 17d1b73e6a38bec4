//go:build process

package process_test

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/process"
)

// check ends the load, waits until everything rests, stops the workers, and gives the verdict.
func (w *world) check() {
	w.t.Helper()
	w.stopLoad()
	began := time.Now()
	w.led()
	w.t.Logf("at rest after %s", time.Since(began))
	for _, i := range w.workers {
		if !i.Gone() {
			i.stopInOrder()
		}
	}
	w.must("no transaction is left open", w.closed)
	a := audit{inputs: w.read(process.Inputs), events: w.read(event.IdentityEvents), copies: w.read(process.Copies), dead: w.read(event.DeadLetters),
		changelog: w.read(process.State), kept: w.kept}
	faults := a.faults()
	for _, fault := range faults[:min(20, len(faults))] {
		w.t.Error(fault)
	}
	judged.Add(int64(len(a.inputs)))
	wrong.Add(int64(len(faults)))
	w.t.Logf("%d inputs, %d events, %d faults of the verdict", len(a.inputs), len(a.events), len(faults))
	w.offsets(a.inputs)
}

// led waits until every input has led to something.
func (w *world) led() {
	w.t.Helper()
	ends := w.ends(w.admin.ListEndOffsets, process.Inputs)
	var inputs int64
	for _, n := range ends {
		inputs += n
	}
	client := w.open(kgo.ConsumeTopics(string(event.IdentityEvents), string(event.DeadLetters)))
	ctx, cancel := context.WithTimeout(w.t.Context(), atRest)
	defer cancel()
	for seen := int64(0); seen < inputs; {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			w.t.Errorf("not at rest after %s: %d outputs of %d inputs; transactions now:%s", atRest, seen, inputs, w.transactions())
			return
		}
		seen += int64(fetches.NumRecords())
	}
}

// closed says whether every log is readable to its end.
func (w *world) closed() bool {
	for _, topic := range []event.Topic{process.Copies, event.IdentityEvents, event.DeadLetters, process.State} {
		stable := w.ends(w.admin.ListCommittedOffsets, topic)
		for p, end := range w.ends(w.admin.ListEndOffsets, topic) {
			if stable[p] != end {
				return false
			}
		}
	}
	return true
}

// replicated says whether every partition, of Kafka's own topics too, has all its replicas in sync.
func (w *world) replicated() bool {
	topics, err := w.admin.ListTopicsWithInternal(w.t.Context())
	if err != nil || topics.Error() != nil {
		return false
	}
	for _, topic := range topics {
		for _, p := range topic.Partitions {
			if len(p.ISR) < len(w.cluster.Addrs()) {
				return false
			}
		}
	}
	return true
}

// offsets demands that every input is consumed in the eyes of the group: what is not would be read again.
func (w *world) offsets(inputs []*kgo.Record) {
	w.t.Helper()
	committed, err := w.admin.FetchOffsets(w.t.Context(), process.Name)
	if err != nil {
		w.t.Fatal(err)
	}
	want := map[int32]int64{}
	for _, r := range inputs {
		want[r.Partition] = r.Offset + 1
	}
	for p, offset := range want {
		if got, _ := committed.Lookup(string(process.Inputs), p); got.At != offset {
			w.t.Errorf("inputs/%d is committed at %d, want %d", p, got.At, offset)
		}
	}
}

func (w *world) ends(list func(context.Context, ...string) (kadm.ListedOffsets, error), topic event.Topic) map[int32]int64 {
	w.t.Helper()
	listed, err := list(w.t.Context(), string(topic))
	if err == nil {
		err = listed.Error()
	}
	if err != nil {
		w.t.Fatalf("list offsets of %s: %v", topic, err)
	}
	out := map[int32]int64{}
	listed.Each(func(o kadm.ListedOffset) { out[o.Partition] = o.Offset })
	return out
}

// read gives the committed records of a topic, in the order of each partition.
func (w *world) read(topic event.Topic) []*kgo.Record {
	w.t.Helper()
	left := w.ends(w.admin.ListEndOffsets, topic)
	starts := w.ends(w.admin.ListStartOffsets, topic)
	for p, end := range left {
		if end == starts[p] {
			delete(left, p)
		}
	}
	client := w.open(kgo.ConsumeTopics(string(topic)), kgo.KeepControlRecords())
	var out []*kgo.Record
	for len(left) > 0 {
		fetches := client.PollFetches(w.t.Context())
		if w.t.Context().Err() != nil {
			w.t.Fatalf("read %s: %v", topic, w.t.Context().Err())
		}
		fetches.EachRecord(func(r *kgo.Record) {
			if !r.Attrs.IsControl() {
				out = append(out, r)
			}
			if r.Offset+1 >= left[r.Partition] {
				delete(left, r.Partition)
			}
		})
	}
	return slices.Clip(out)
}

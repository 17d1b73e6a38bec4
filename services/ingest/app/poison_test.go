package app_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream/streamtest"
	"joinery.internal/pkg/wire"
)

// poison spoils a good record in one of many ways, and says by what class the dead letter must name it.
func poison(n int, good []byte) (key string, value []byte, class string) {
	key = fmt.Sprintf("hr/%d", n)
	switch n % 5 {
	case 0:
		return key, []byte("{this is no Avro}"), "framing"
	case 1:
		return key, append([]byte{0, 0x7f, 0xff, 0xff, byte(n)}, good[5:]...), "unknown_schema"
	case 2:
		return key, good[:6+n%(len(good)-7)], "decode"
	case 3:
		return "hr/" + strings.Repeat("9", 1+n%20), good, "key"
	}
	return key, good, "invalid"
}

func TestFiveThousandPoisonRecordsAreDeadLettersAndEveryGoodOneFlows(t *testing.T) {
	t.Parallel()
	const each = 5000
	l := openLoaded(t)
	type letter struct {
		class string
		value []byte
	}
	want := map[string]letter{} // by place
	var bad []*kgo.Record
	classes := map[string]string{}
	for i := range each {
		number := fmt.Sprint(1_000_000 + i)
		good := event.SourceRecord{ID: "g" + number, Source: "hr", SourceKey: number, RecordedAt: historyEnd, Kind: event.Upsert,
			Person: &event.Profile{EmployeeNumber: number, GivenName: "Ann", WorkerType: "employee", StartDate: "2026-01-05"}}
		l.produce(event.SourceRecords, good)
		good.ID, good.SourceKey, good.Person = fmt.Sprint("b", i), fmt.Sprint(i), &event.Profile{EmployeeNumber: "x", StartDate: "2026-01-05"}
		if i%5 == 4 {
			good.Person.StartDate = "soon"
		}
		b, err := l.codec.Encode(string(event.SourceRecords), good)
		if err != nil {
			t.Fatal(err)
		}
		key, value, class := poison(i, b)
		r := &kgo.Record{Topic: string(event.SourceRecords), Key: []byte(key), Value: value}
		classes[string(value)] = class
		bad = append(bad, r)
		l.client.Produce(t.Context(), r, nil)
	}
	l.flush()
	for _, r := range bad {
		want[fmt.Sprintf("%d/%d", r.Partition, r.Offset)] = letter{classes[string(r.Value)], r.Value}
	}
	l.run()
	l.wait(each)
	for l.handled("intake") < 2*each { // the last of them may be poison
		l.wait(each)
	}
	l.all(string(event.DeadLetters), func(r *kgo.Record) {
		var d event.DeadLetter
		if err := l.codec.Decode(r.Value, r.Topic, &d); err != nil {
			t.Fatal(err)
		}
		place := fmt.Sprintf("%d/%d", d.Partition, d.Offset)
		w, known := want[place]
		if delete(want, place); !known || d.Reason != w.class || !bytes.Equal(d.Value, w.value) || d.Topic != string(event.SourceRecords) {
			t.Errorf("dead letter at %s: class %s, want %s (%s)", place, d.Reason, w.class, d.Message)
		}
	})
	hired := map[event.IdentityID]bool{}
	l.all(string(event.IdentityEvents), func(r *kgo.Record) { hired[event.IdentityID(r.Key)] = true })
	if len(want) != 0 || len(hired) != each {
		t.Errorf("%d poison records are no dead letters; %d of %d good ones came through", len(want), len(hired), each)
	}
}

// FuzzSourceBytes gives intake any bytes: each is a fact or a dead letter, never a fault.
func FuzzSourceBytes(f *testing.F) {
	codec := wire.New(wire.Static())
	for _, r := range []event.SourceRecord{hire("1001"), {ID: "t", Source: "hr", SourceKey: "1001", RecordedAt: start, Kind: event.Terminate, EffectiveAt: "2026-03-31"}} {
		r.RecordedAt = start
		b, err := codec.Encode(string(event.SourceRecords), r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add("hr/1001", b)
		f.Add("hr/", b[:len(b)/2])
	}
	f.Add("", []byte("{}"))
	f.Fuzz(func(t *testing.T, key string, b []byte) {
		s := open(t)
		s.intake.FeedRaw(event.SourceRecords, key, b)
		s.pass()
		if letters := streamtest.Out[event.DeadLetter](s.intake, event.DeadLetters); len(letters) > 1 {
			t.Errorf("%d dead letters of one record", len(letters))
		}
	})
}

package row_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/evidence/row"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/wire"
)

var (
	topicID = uuid.MustParse("11111111-2222-3333-4444-555555555555")
	at      = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
)

func TestATransitionBecomesItsColumnsItsPayloadAndItsBytes(t *testing.T) {
	t.Parallel()
	codec := wire.New(wire.Static())
	e := event.ProvisionEvent{Meta: event.Meta{EventID: "e-1", Kind: event.ProvisionApplied, IdentityID: "p-1", CaseID: "case-1", Target: "chat", Account: "ada",
		Outcome: "applied", Attempt: 2, EffectiveAt: at.Add(-time.Hour), OccurredAt: at}, Changes: []event.Change{{Verb: "grant", Item: "group/staff"}}}
	value, err := codec.Encode(string(event.ProvisionEvents), &e)
	if err != nil {
		t.Fatal(err)
	}
	r, err := row.New(codec).Make(&kgo.Record{Topic: string(event.ProvisionEvents), Partition: 3, Offset: 17, Key: []byte("p-1"), Value: value, Headers: []kgo.RecordHeader{
		{Key: "ce_source", Value: []byte("/joinery/provisioner")}, {Key: stream.HeaderSeq, Value: []byte("9")},
		{Key: stream.HeaderPrev, Value: []byte{1}}, {Key: stream.HeaderHash, Value: []byte{2}}}}, topicID)
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind != "provision.applied" || r.Service != "provisioner" || r.Target != "chat" || r.Attempt != 2 || r.Seq != 9 || r.PrevHash != "01" || r.Hash != "02" {
		t.Errorf("columns %+v", r)
	}
	if !r.EffectiveAt.Equal(at.Add(-time.Hour)) || !r.KnownAt.Equal(time.Unix(0, 0)) || !r.OccurredAt.Equal(at) {
		t.Errorf("times %s %s %s", r.EffectiveAt, r.KnownAt, r.OccurredAt)
	}
	if r.SrcPartition != 3 || r.SrcOffset != 17 || r.SrcKey != "p-1" || r.Raw != string(value) {
		t.Errorf("place %+v", r)
	}
	var payload struct{ Changes []event.Change }
	if err := json.Unmarshal([]byte(r.Payload), &payload); err != nil || len(payload.Changes) != 1 {
		t.Errorf("payload %s: %v", r.Payload, err)
	}
}

func TestBytesThatAreNoTransitionAreEvidenceToo(t *testing.T) {
	t.Parallel()
	r, err := row.New(wire.New(wire.Static())).Make(&kgo.Record{Topic: string(event.CaseEvents), Partition: 1, Offset: 4, Key: []byte("p-1"), Value: []byte("garbage"), Timestamp: at}, topicID)
	if err != nil {
		t.Fatal(err)
	}
	if r.Kind != "exception.opened" || r.Reason != "decode" || r.Raw != "garbage" || r.CausationID != "jml.case.event.v1/1/4" || r.Message == "" || !r.OccurredAt.Equal(at) {
		t.Errorf("row %+v", r)
	}
}

func TestARegistryOutOfReachIsNoFaultOfTheRecord(t *testing.T) {
	t.Parallel()
	client, err := wire.NewClient("http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	value, err := wire.New(wire.Static()).Encode(string(event.CaseEvents), &event.CaseEvent{Meta: event.Meta{EventID: "e", Kind: event.CaseOpened, OccurredAt: at}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := row.New(wire.New(client)).Make(&kgo.Record{Topic: string(event.CaseEvents), Value: value}, topicID); !errors.Is(err, wire.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestAColumnThatIsNotWhatTheBytesSayIsNamed(t *testing.T) {
	t.Parallel()
	codec := wire.New(wire.Static())
	value, err := codec.Encode(string(event.ProvisionEvents), &event.ProvisionEvent{Meta: event.Meta{EventID: "e-1", Kind: event.ProvisionApplied, IdentityID: "p-1",
		EffectiveAt: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), OccurredAt: at.Add(1500 * time.Microsecond)}})
	if err != nil {
		t.Fatal(err)
	}
	maker := row.New(codec)
	for name, r := range map[string]*kgo.Record{
		"a transition": {Topic: string(event.ProvisionEvents), Key: []byte("p-1"), Value: value, Timestamp: at},
		"garbage":      {Topic: string(event.ProvisionEvents), Key: []byte("p-1"), Value: []byte("garbage"), Timestamp: at},
	} {
		made, err := maker.Make(r, topicID)
		if err != nil {
			t.Fatal(err)
		}
		made = made.Storable()
		made.StoredAt = at.Add(time.Second)
		if column, err := maker.Differs(made); column != "" || err != nil {
			t.Errorf("%s: column %s differs, %v", name, column, err)
		}
		alters := 0
		for i := range reflect.TypeFor[evidence.Row]().NumField() {
			altered := made
			field := reflect.ValueOf(&altered).Elem().Field(i)
			column := reflect.TypeFor[evidence.Row]().Field(i).Tag.Get("ch")
			switch {
			case slices.Contains([]string{"stored_at", "service", "prev_hash", "hash", "src_topic", "src_key", "raw"}, column), // see Auditor
				name == "garbage" && strings.HasSuffix(column, "_at"): // its bytes tell no time
				continue
			case field.Kind() == reflect.String:
				field.SetString("altered")
			case field.Type() == reflect.TypeFor[time.Time]():
				field.Set(reflect.ValueOf(at.Add(time.Minute)))
			case column == "attempt":
				field.SetUint(9)
			default:
				continue
			}
			alters++
			if got, err := maker.Differs(altered); got != column || err != nil {
				t.Errorf("%s: %s altered: %q named, %v", name, column, got, err)
			}
		}
		if alters < 15 {
			t.Errorf("only %d columns were altered", alters)
		}
	}
}

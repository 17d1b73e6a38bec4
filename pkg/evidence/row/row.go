// Package row makes an evidence row of a Kafka record: the columns from what every transition carries, the payload as
// JSON by the schema it was written with, and the raw bytes that its hash was made of.
//
// From a row it also says whether the columns are still what the bytes say.
//
// A record of an event topic that does not decode is evidence too: it becomes an exception.opened with its bytes. Safe
// for concurrent use.
package row

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/stream"
	"joinery.internal/pkg/wire"
)

// Codec turns a framed value into JSON by the schema it was written with; wire.Serde is one.
type Codec interface {
	DecodeJSON([]byte) (doc []byte, name string, err error)
}

// Maker makes rows.
type Maker struct{ codec Codec }

// New takes the codec that knows the schemas.
func New(codec Codec) Maker { return Maker{codec} }

// common is what the columns need of any transition, whatever topic it comes from.
type common struct {
	EventID     string `json:"event_id"`
	Kind        string `json:"kind"`
	IdentityID  string `json:"identity_id"`
	CaseID      string `json:"case_id"`
	CausationID string `json:"causation_id"`
	Source      string `json:"source"`
	Target      string `json:"target"`
	Account     string `json:"account"`
	Role        string `json:"role"`
	Entitlement string `json:"entitlement"`
	Actor       string `json:"actor"`
	Outcome     string `json:"outcome"`
	Reason      string `json:"reason"`
	Message     string `json:"message"`
	Policy      string `json:"policy"`
	Attempt     int    `json:"attempt"`
	EffectiveAt stamp  `json:"effective_at"`
	KnownAt     stamp  `json:"known_at"`
	OccurredAt  stamp  `json:"occurred_at"`
}

// stamp is a time that may be null.
type stamp struct{ time.Time }

func (s *stamp) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		return nil
	}
	return s.Time.UnmarshalJSON(b)
}

// Make gives the row of a record. The error is of trouble that may pass (the registry is out of reach), never of the
// record.
func (m Maker) Make(r *kgo.Record, topicID uuid.UUID) (evidence.Row, error) {
	payload, _, err := m.codec.DecodeJSON(r.Value)
	var c common
	if err == nil {
		err = json.Unmarshal(payload, &c)
	} else if wire.Class(err) == "" {
		return evidence.Row{}, fmt.Errorf("decode %s/%d/%d: %w", r.Topic, r.Partition, r.Offset, err)
	}
	if err != nil {
		c, payload = undecodable(r, err)
	}
	out := evidence.Row{
		EventID: c.EventID, Kind: c.Kind, IdentityID: c.IdentityID, CaseID: c.CaseID, CausationID: c.CausationID, Source: c.Source, Target: c.Target,
		Account: c.Account, Role: c.Role, Entitlement: c.Entitlement, Actor: c.Actor, Outcome: c.Outcome, Reason: c.Reason, Message: c.Message,
		Policy: c.Policy, Attempt: uint16(min(max(c.Attempt, 0), 1<<16-1)), EffectiveAt: epoch(c.EffectiveAt.Time), KnownAt: epoch(c.KnownAt.Time), OccurredAt: epoch(c.OccurredAt.Time),
		Payload: string(payload), SrcTopic: r.Topic, SrcTopicID: topicID, SrcPartition: uint32(r.Partition), SrcOffset: uint64(r.Offset),
		SrcKey: string(r.Key), Raw: string(r.Value),
	}
	stampChain(&out, r.Headers)
	return out, nil
}

// Differs names a column of a stored row that is not what its bytes say; empty: none. What the bytes do not say - who wrote
// it, its place, its chain - is for evidence.Auditor. The error is as that of Make.
func (m Maker) Differs(stored evidence.Row) (string, error) {
	said, err := m.Make(&kgo.Record{Topic: stored.SrcTopic, Partition: int32(stored.SrcPartition), Offset: int64(stored.SrcOffset),
		Key: []byte(stored.SrcKey), Value: []byte(stored.Raw), Timestamp: stored.OccurredAt}, stored.SrcTopicID)
	if err != nil {
		return "", err
	}
	said = said.Storable()
	said.StoredAt, said.Service, said.Seq, said.PrevHash, said.Hash = stored.StoredAt, stored.Service, stored.Seq, stored.PrevHash, stored.Hash
	a, b := reflect.ValueOf(stored), reflect.ValueOf(said)
	for i := range a.NumField() {
		one, other := a.Field(i).Interface(), b.Field(i).Interface()
		if at, ok := one.(time.Time); ok && at.Equal(other.(time.Time)) {
			continue
		}
		if one != other {
			return a.Type().Field(i).Tag.Get("ch"), nil
		}
	}
	return "", nil
}

func stampChain(out *evidence.Row, headers []kgo.RecordHeader) {
	for _, h := range headers {
		switch h.Key {
		case "ce_source":
			out.Service = strings.TrimPrefix(string(h.Value), "/joinery/")
		case stream.HeaderSeq:
			out.Seq, _ = strconv.ParseUint(string(h.Value), 10, 64) // a wrong one shows as a gap to the auditor
		case stream.HeaderPrev:
			out.PrevHash = hex.EncodeToString(h.Value)
		case stream.HeaderHash:
			out.Hash = hex.EncodeToString(h.Value)
		}
	}
}

// epoch puts "not applicable" where ClickHouse can hold it.
func epoch(t time.Time) time.Time {
	if t.IsZero() {
		return time.Unix(0, 0).UTC()
	}
	return t.UTC()
}

// undecodable stands in for a transition whose bytes cannot be read: nothing is lost, and somebody is told.
func undecodable(r *kgo.Record, err error) (common, []byte) {
	place := fmt.Sprintf("%s/%d/%d", r.Topic, r.Partition, r.Offset)
	id := event.DeriveID("undecodable", 0, place)
	payload, _ := json.Marshal(map[string]string{"exception_id": id, "class": "dead_letter"}) // strings always encode
	at := stamp{r.Timestamp.UTC()}
	return common{EventID: id, Kind: string(event.ExceptionOpened), CausationID: place, Actor: "evidence-sink", Outcome: "dead_lettered",
		Reason: "decode", Message: err.Error(), EffectiveAt: at, KnownAt: at, OccurredAt: at}, payload
}

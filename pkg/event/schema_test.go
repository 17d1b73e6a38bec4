package event_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"joinery.internal/pkg/event"
)

var update = flag.Bool("update", false, "write the newest .avsc of each topic from the Go types")

// newest is the version each topic's schema is at. To change a record: raise it here, run with -update, and commit
// the new file; the old ones stay for ever.
var newest = map[event.Topic]string{
	event.IdentityEvents:    "v3",
	event.IdentityFacts:     "v3",
	event.UrgentFacts:       "v2",
	event.IdentityDirectory: "v3",
	event.AccessDesired:     "v5",
	event.AccessEvents:      "v5",
	event.AccessRequests:    "v2",
	event.ApprovalRequests:  "v2",
	event.ProvisionEvents:   "v2",
}

var records = map[event.Topic]any{
	event.SourceRecords:     event.SourceRecord{},
	event.UrgentRecords:     event.SourceRecord{},
	event.IntakeCommands:    event.IntakeCommand{},
	event.WaitingRecords:    event.Waiting{},
	event.SourceRejects:     event.Reject{},
	event.IdentityFacts:     event.Fact{},
	event.UrgentFacts:       event.Fact{},
	event.IdentityEvents:    event.IdentityEvent{},
	event.IdentityDirectory: event.DirectoryEntry{},
	event.PolicyActivations: event.PolicyActivation{},
	event.PolicyBundles:     event.PolicyBundle{},
	event.AccessRequests:    event.AccessRequest{},
	event.AccessEvents:      event.AccessEvent{},
	event.AccessDesired:     event.Desired{},
	event.AccessMembers:     event.Membership{},
	event.CaseEvents:        event.CaseEvent{},
	event.ApprovalRequests:  event.ApprovalRequest{},
	event.ApprovalCommands:  event.ApprovalCommand{},
	event.ApprovalEvents:    event.ApprovalEvent{},
	event.ProvisionEvents:   event.ProvisionEvent{},
	event.DriftEvents:       event.DriftEvent{},
	event.SweepCommands:     event.SweepCommand{},
	event.GuardCommands:     event.GuardCommand{},
	event.ScimResources:     event.ScimResource{},
	event.ReplayCommands:    event.ReplayCommand{},
	event.TicketCommands:    event.TicketCommand{},
	event.OpenTickets:       event.Ticket{},
	event.DeadLetters:       event.DeadLetter{},
	event.Checkpoints:       event.Checkpoint{},
}

// required fields have no default: a record without them means nothing.
var required = map[string]bool{
	"id": true, "event_id": true, "kind": true, "identity_id": true, "source": true, "source_key": true, "recorded_at": true,
	"occurred_at": true, "target": true, "hash": true, "request_id": true, "policy": false,
}

func TestTheNewestSchemaOfEachTopicIsTheGoType(t *testing.T) {
	for topic, v := range records {
		want := schemaOf(t, reflect.TypeOf(v))
		version := newest[topic]
		if version == "" {
			version = "v1"
		}
		file := filepath.Join("..", "..", "schemas", string(topic)+"-value", version+".avsc")
		if *update {
			if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(have, want) {
			t.Errorf("%s differs from the Go type %T: give it a new version (see newest), then run with -update", file, v)
		}
		if _, err := avro.Parse(string(have)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// schemaOf gives the schema of a Go type: inferred, then made evolvable. Every field but the required ones gets a
// default; `omitzero` fields become nullable; a recorded kind defaults to upsert.
func schemaOf(t *testing.T, typ reflect.Type) []byte {
	s, err := infer(typ)
	if err != nil {
		t.Fatalf("schema of %s: %v", typ, err)
	}
	node := map[string]any{}
	if err := json.Unmarshal([]byte(s.String()), &node); err != nil {
		t.Fatal(err)
	}
	node["namespace"] = "joinery"
	evolvable(node, typ)
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetIndent("", "  ")
	if err := enc.Encode(node); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func infer(typ reflect.Type) (*avro.Schema, error) {
	switch reflect.New(typ).Elem().Interface().(type) {
	case event.SourceRecord:
		return avro.SchemaFor[event.SourceRecord]()
	case event.Waiting:
		return avro.SchemaFor[event.Waiting]()
	case event.Reject:
		return avro.SchemaFor[event.Reject]()
	case event.Fact:
		return avro.SchemaFor[event.Fact]()
	case event.IntakeCommand:
		return avro.SchemaFor[event.IntakeCommand]()
	case event.IdentityEvent:
		return avro.SchemaFor[event.IdentityEvent]()
	case event.DirectoryEntry:
		return avro.SchemaFor[event.DirectoryEntry]()
	case event.PolicyActivation:
		return avro.SchemaFor[event.PolicyActivation]()
	case event.PolicyBundle:
		return avro.SchemaFor[event.PolicyBundle]()
	case event.AccessRequest:
		return avro.SchemaFor[event.AccessRequest]()
	case event.AccessEvent:
		return avro.SchemaFor[event.AccessEvent]()
	case event.Desired:
		return avro.SchemaFor[event.Desired]()
	case event.Membership:
		return avro.SchemaFor[event.Membership]()
	case event.CaseEvent:
		return avro.SchemaFor[event.CaseEvent]()
	case event.ApprovalRequest:
		return avro.SchemaFor[event.ApprovalRequest]()
	case event.ApprovalCommand:
		return avro.SchemaFor[event.ApprovalCommand]()
	case event.ApprovalEvent:
		return avro.SchemaFor[event.ApprovalEvent]()
	case event.ProvisionEvent:
		return avro.SchemaFor[event.ProvisionEvent]()
	case event.DriftEvent:
		return avro.SchemaFor[event.DriftEvent]()
	case event.SweepCommand:
		return avro.SchemaFor[event.SweepCommand]()
	case event.ReplayCommand:
		return avro.SchemaFor[event.ReplayCommand]()
	case event.TicketCommand:
		return avro.SchemaFor[event.TicketCommand]()
	case event.Ticket:
		return avro.SchemaFor[event.Ticket]()
	case event.GuardCommand:
		return avro.SchemaFor[event.GuardCommand]()
	case event.Checkpoint:
		return avro.SchemaFor[event.Checkpoint]()
	case event.ScimResource:
		return avro.SchemaFor[event.ScimResource]()
	default:
		return avro.SchemaFor[event.DeadLetter]()
	}
}

func evolvable(record map[string]any, typ reflect.Type) {
	fields := goFields(typ)
	for _, f := range record["fields"].([]any) {
		field := f.(map[string]any)
		name := field["name"].(string)
		goField := fields[name]
		nested(field["type"], goField.Type)
		switch {
		case strings.Contains(goField.Tag.Get("avro"), "omitzero"):
			field["type"] = []any{"null", field["type"]}
			field["default"] = nil
		case name == "kind" && record["name"] == "SourceRecord":
			field["default"] = "upsert"
		case required[name] || hasKey(field, "default"):
		default:
			if d, ok := zero(field["type"]); ok {
				field["default"] = d
			}
		}
	}
}

func nested(schema any, typ reflect.Type) {
	for typ.Kind() == reflect.Pointer || typ.Kind() == reflect.Slice {
		typ = typ.Elem()
	}
	switch s := schema.(type) {
	case []any:
		for _, branch := range s {
			nested(branch, typ)
		}
	case map[string]any:
		if s["type"] == "record" {
			evolvable(s, typ)
		} else if items, ok := s["items"]; ok {
			nested(items, typ)
		}
	}
}

func goFields(typ reflect.Type) map[string]reflect.StructField {
	out := map[string]reflect.StructField{}
	for _, f := range reflect.VisibleFields(typ) {
		name, _, _ := strings.Cut(f.Tag.Get("avro"), ",")
		if name != "" && name != "-" {
			out[name] = f
		}
	}
	return out
}

func zero(schema any) (any, bool) {
	switch s := schema.(type) {
	case string:
		switch s {
		case "string", "bytes":
			return "", true
		case "long", "int":
			return 0, true
		case "boolean":
			return false, true
		}
	case map[string]any:
		switch s["type"] {
		case "array":
			return []any{}, true
		case "map":
			return map[string]any{}, true
		}
	}
	return nil, false
}

func hasKey(m map[string]any, k string) bool { _, ok := m[k]; return ok }

package wire

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/twmb/avro"

	"joinery.internal/pkg/event"
	"joinery.internal/schemas"
)

var update = flag.Bool("update", false, "write golden records for schema versions that have none; never changes one that is there")

// goTypes has a fresh record of each topic's Go type.
var goTypes = map[event.Topic]func() any{
	event.SourceRecords:     func() any { return new(event.SourceRecord) },
	event.UrgentRecords:     func() any { return new(event.SourceRecord) },
	event.IntakeCommands:    func() any { return new(event.IntakeCommand) },
	event.WaitingRecords:    func() any { return new(event.Waiting) },
	event.UrgentFacts:       func() any { return new(event.Fact) },
	event.SourceRejects:     func() any { return new(event.Reject) },
	event.IdentityFacts:     func() any { return new(event.Fact) },
	event.IdentityEvents:    func() any { return new(event.IdentityEvent) },
	event.IdentityDirectory: func() any { return new(event.DirectoryEntry) },
	event.PolicyActivations: func() any { return new(event.PolicyActivation) },
	event.PolicyBundles:     func() any { return new(event.PolicyBundle) },
	event.AccessRequests:    func() any { return new(event.AccessRequest) },
	event.AccessEvents:      func() any { return new(event.AccessEvent) },
	event.AccessDesired:     func() any { return new(event.Desired) },
	event.AccessMembers:     func() any { return new(event.Membership) },
	event.CaseEvents:        func() any { return new(event.CaseEvent) },
	event.ApprovalRequests:  func() any { return new(event.ApprovalRequest) },
	event.ApprovalCommands:  func() any { return new(event.ApprovalCommand) },
	event.ApprovalEvents:    func() any { return new(event.ApprovalEvent) },
	event.ProvisionEvents:   func() any { return new(event.ProvisionEvent) },
	event.DriftEvents:       func() any { return new(event.DriftEvent) },
	event.SweepCommands:     func() any { return new(event.SweepCommand) },
	event.GuardCommands:     func() any { return new(event.GuardCommand) },
	event.ScimResources:     func() any { return new(event.ScimResource) },
	event.ReplayCommands:    func() any { return new(event.ReplayCommand) },
	event.TicketCommands:    func() any { return new(event.TicketCommand) },
	event.OpenTickets:       func() any { return new(event.Ticket) },
	event.DeadLetters:       func() any { return new(event.DeadLetter) },
	event.Checkpoints:       func() any { return new(event.Checkpoint) },
}

func TestGoldenBytesOfEveryVersionMeanTheSameForEver(t *testing.T) {
	t.Parallel()
	if *update {
		writeMissingGolden(t)
	}
	reg := Static().(*static)
	serde := New(reg)
	for _, g := range schemas.Golden() {
		text := textOf(t, g.Topic, g.Version)
		t.Run(g.Subject+"/v"+strconv.Itoa(g.Version)+"/"+g.Name, func(t *testing.T) {
			t.Parallel()
			id := reg.ids[registration{g.Subject, text}]
			framed := append([]byte{0, byte(id >> 24), byte(id >> 16), byte(id >> 8), byte(id)}, g.Binary...)
			got, _, err := serde.DecodeJSON(framed)
			if err != nil || !bytes.Equal(got, bytes.TrimSpace(g.JSON)) {
				t.Errorf("as JSON: %v\ngot  %s\nwant %s", err, got, g.JSON)
			}
			fresh, known := goTypes[event.Topic(g.Topic)]
			if !known {
				t.Fatalf("no Go type for %s: add it to goTypes", g.Topic)
			}
			v := fresh()
			if err := serde.Decode(framed, g.Topic, v); err != nil {
				t.Fatalf("as %T: %v", v, err)
			}
			if again, err := serde.Encode(g.Topic, v); err != nil {
				t.Errorf("written again: %v", err)
			} else if text == schemas.Latest(g.Topic) && !bytes.Equal(again, framed) {
				t.Errorf("written again, it is not the same:\ngot  %x\nwant %x", again, framed)
			}
		})
	}
}

func textOf(t *testing.T, topic string, version int) string {
	t.Helper()
	for _, s := range schemas.Subjects() {
		if s.Topic == topic {
			return s.Versions[version-1]
		}
	}
	t.Fatalf("no subject for %s", topic)
	return ""
}

func writeMissingGolden(t *testing.T) {
	t.Helper()
	for _, s := range schemas.Subjects() {
		for i, text := range s.Versions {
			for name, full := range map[string]bool{"least": false, "full": true} {
				dir := filepath.Join("..", "..", "schemas", "golden", s.Name, "v"+strconv.Itoa(i+1))
				if _, err := os.Stat(filepath.Join(dir, name+".bin")); err == nil {
					continue
				}
				schema, err := avro.Parse(text)
				if err != nil {
					t.Fatal(err)
				}
				doc, err := json.Marshal(example(shapeOf(schema), "", full))
				if err != nil {
					t.Fatal(err)
				}
				serde := New(Static())
				serde.latest = func(string) string { return text }
				framed, err := serde.EncodeJSON(s.Topic, doc)
				if err != nil {
					t.Fatal(err)
				}
				if doc, _, err = serde.DecodeJSON(framed); err != nil {
					t.Fatal(err)
				}
				writeGolden(t, filepath.Join(dir, name), append(doc, '\n'), framed[headerLen:])
			}
		}
	}
	t.Log("golden records written; run again to check them")
}

func writeGolden(t *testing.T, path string, doc, bin []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	for ext, b := range map[string][]byte{".json": doc, ".bin": bin} {
		if err := os.WriteFile(path+ext, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// example is a record with every field set, or with only those that must be.
func example(s *shape, name string, full bool) any {
	switch s.typ {
	case "record":
		out := map[string]any{}
		for _, f := range s.fields {
			if full || !f.optional {
				out[f.name] = example(f.shape, f.name, full)
			}
		}
		return out
	case "union":
		for _, b := range s.branches {
			if b.typ != "null" {
				return example(b, name, full)
			}
		}
		return nil
	case "array":
		return []any{example(s.item, name, full)}
	case "map":
		return map[string]any{"key": example(s.item, name, full)}
	case "int", "long":
		if s.isInstant() {
			return "2026-03-02T08:00:00.000Z"
		}
		return 7
	case "boolean":
		return true
	case "float", "double":
		return 0.5
	case "bytes":
		return "AAECAw=="
	case "enum":
		return s.symbols[len(s.symbols)-1]
	}
	return "a " + name
}

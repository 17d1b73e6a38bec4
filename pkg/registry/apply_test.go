package registry_test

import (
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"joinery.internal/pkg/registry"
	"joinery.internal/pkg/wire"
	"joinery.internal/schemas"
)

func TestApplyRegistersEverythingOnceAndADryRunNothing(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, url := serve(t, t.TempDir())
	planned := must(registry.Apply(ctx, url, true))
	if got := must(c.Subjects(ctx)); len(got) != 0 {
		t.Fatalf("the dry run registered %v", got)
	}
	done := must(registry.Apply(ctx, url, false))
	if len(done) != len(planned) || len(done) < 2*len(schemas.Subjects()) {
		t.Errorf("planned %d, done %d", len(planned), len(done))
	}
	if again := must(registry.Apply(ctx, url, false)); len(again) != 0 {
		t.Errorf("the second time it changed %v", again)
	}
	if got := c.Compatibility(ctx, "jml.identity.event.v1-value")[0]; got.Level != sr.CompatFullTransitive {
		t.Errorf("events: %+v", got)
	}
	if got := c.Compatibility(ctx, "jml.source.record.v1-value")[0]; got.Level != sr.CompatBackwardTransitive {
		t.Errorf("records: %+v", got)
	}
}

func TestApplyStopsWhereTheRegistryHoldsSomethingIncompatible(t *testing.T) {
	t.Parallel()
	c, url := serve(t, t.TempDir())
	must(c.CreateSchema(t.Context(), "jml.dlq.v1-value", avroSchema(v1)))
	for _, dry := range []bool{true, false} {
		_, err := registry.Apply(t.Context(), url, dry)
		if err == nil || !strings.Contains(err.Error(), "jml.dlq.v1-value") {
			t.Errorf("dry run %v: %v", dry, err)
		}
	}
}

func TestApplyNamesTheRegistryItCannotReach(t *testing.T) {
	t.Parallel()
	_, err := registry.Apply(t.Context(), "http://127.0.0.1:1", false)
	if err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:1") {
		t.Errorf("Apply: %v", err)
	}
}

func TestRecordsTravelThroughTheRegistry(t *testing.T) {
	t.Parallel()
	_, url := serve(t, t.TempDir())
	client := must(wire.NewClient(url))
	serde := wire.New(client)
	const line = `{"id":"1","source":"hr","source_key":"w1","recorded_at":0}`
	if _, err := serde.EncodeJSON("jml.source.record.v1", []byte(line)); err == nil || !strings.Contains(err.Error(), "schemas apply") {
		t.Errorf("before it is registered: %v", err)
	}
	must(registry.Apply(t.Context(), url, false))
	b := must(serde.EncodeJSON("jml.source.record.v1", []byte(line)))
	if _, name, err := serde.DecodeJSON(b); err != nil || name != "joinery.SourceRecord" {
		t.Errorf("it is a %s: %v", name, err)
	}
	b[4] ^= 0x40
	if _, _, err := serde.DecodeJSON(b); wire.Class(err) != "unknown_schema" {
		t.Errorf("unknown id: %v", err)
	}
	// The address of something that is no registry must not turn records into poison.
	wrong := must(wire.NewClient(url + "/nowhere"))
	if _, err := wrong.SchemaByID(t.Context(), 1); wire.Class(err) != "" {
		t.Errorf("wrong address: %v", err)
	}
}

package registry_test

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/sr"

	"joinery.internal/pkg/dirlock"
	"joinery.internal/pkg/registry"
)

const (
	v1     = `{"type":"record","name":"E","namespace":"a.b","fields":[{"name":"id","type":"string"}]}`
	v1same = `{ "namespace":"a.b", "name":"E", "type":"record", "fields":[ {"type":"string","name":"id"} ] }`
	v2     = `{"type":"record","name":"E","namespace":"a.b","fields":[{"name":"id","type":"string"},{"name":"more","type":"long","default":0}]}`
	broken = `{"type":"record","name":"E","namespace":"a.b","fields":[{"name":"id","type":"string"},{"name":"req","type":"long"}]}`
)

func avroSchema(text string) sr.Schema { return sr.Schema{Schema: text, Type: sr.TypeAvro} }

// serve runs a registry on the folder for the length of the test.
func serve(t *testing.T, dir string) (*sr.Client, string) {
	t.Helper()
	reg, err := registry.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(reg)
	t.Cleanup(func() {
		server.Close()
		if err := reg.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
			t.Error(err)
		}
	})
	client, err := sr.NewClient(sr.URLs(server.URL))
	if err != nil {
		t.Fatal(err)
	}
	return client, server.URL
}

func wantCode(t *testing.T, err error, status, code int) {
	t.Helper()
	var answer *sr.ResponseError
	if !errors.As(err, &answer) || answer.StatusCode != status || answer.ErrorCode != code || answer.Message == "" {
		t.Errorf("want %d with code %d, got %v", status, code, err)
	}
}

// must is for what a test needs and does not test.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestRegisteringIsIdempotentAndTheSameSchemaHasOneID(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, t.TempDir())
	first := must(c.CreateSchema(t.Context(), "s-value", avroSchema(v1)))
	again := must(c.CreateSchema(t.Context(), "s-value", avroSchema(v1same)))
	other := must(c.CreateSchema(t.Context(), "other/with slash", avroSchema(v1)))
	if first.ID != again.ID || first.ID != other.ID || again.Version != 1 || other.Version != 1 {
		t.Errorf("first %+v, again %+v, other %+v", first, again, other)
	}
	second := must(c.CreateSchema(t.Context(), "s-value", avroSchema(v2)))
	if second.ID == first.ID || second.Version != 2 {
		t.Errorf("second %+v", second)
	}
	if got := must(c.SchemaByID(t.Context(), second.ID)); got.Schema != v2 {
		t.Errorf("by id: %s", got.Schema)
	}
	if got := must(c.LookupSchema(t.Context(), "s-value", avroSchema(v1same))); got.Version != 1 || got.ID != first.ID {
		t.Errorf("looked up: %+v", got)
	}
	if got := must(c.SubjectVersions(t.Context(), "s-value")); !slices.Equal(got, []int{1, 2}) {
		t.Errorf("versions: %v", got)
	}
	if got := must(c.Subjects(t.Context())); !slices.Equal(got, []string{"other/with slash", "s-value"}) {
		t.Errorf("subjects: %v", got)
	}
	if got := must(c.SubjectsByID(t.Context(), first.ID)); !slices.Equal(got, []string{"other/with slash", "s-value"}) {
		t.Errorf("subjects by id: %v", got)
	}
	if got := must(c.SchemaTextByVersion(t.Context(), "s-value", -1)); got != v2 {
		t.Errorf("latest text: %s", got)
	}
	if got := must(c.SupportedTypes(t.Context())); !slices.Equal(got, []sr.SchemaType{sr.TypeAvro}) {
		t.Errorf("types: %v", got)
	}
	if got := must(c.AllSchemas(t.Context())); len(got) != 3 {
		t.Errorf("all: %v", got)
	}
	if got := c.Mode(t.Context())[0]; got.Err != nil || got.Mode != sr.ModeReadWrite {
		t.Errorf("mode: %+v", got)
	}
}

func TestWhatIsIncompatibleIsRefusedAndNamed(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, t.TempDir())
	must(c.CreateSchema(t.Context(), "s-value", avroSchema(v1)))
	_, err := c.CreateSchema(t.Context(), "s-value", avroSchema(broken))
	wantCode(t, err, http.StatusConflict, 409)
	if !strings.Contains(err.Error(), "req") {
		t.Errorf("it does not name the field: %v", err)
	}
	ctx := sr.WithParams(t.Context(), sr.Verbose)
	if got := must(c.CheckCompatibility(ctx, "s-value", -1, avroSchema(broken))); got.Is || len(got.Messages) == 0 {
		t.Errorf("check of broken: %+v", got)
	}
	if got := must(c.CheckCompatibility(ctx, "s-value", 1, avroSchema(v2))); !got.Is {
		t.Errorf("check of v2: %+v", got)
	}
}

func TestLevelsAreKeptGloballyAndPerSubject(t *testing.T) {
	t.Parallel()
	c, _ := serve(t, t.TempDir())
	if got := c.Compatibility(t.Context())[0]; got.Err != nil || got.Level != sr.CompatBackward {
		t.Errorf("at first: %+v", got)
	}
	wantCode(t, c.Compatibility(t.Context(), "s-value")[0].Err, http.StatusNotFound, 40408)
	if got := c.Compatibility(sr.WithParams(t.Context(), sr.DefaultToGlobal), "s-value")[0]; got.Err != nil || got.Level != sr.CompatBackward {
		t.Errorf("global of subject: %+v", got)
	}
	if r := c.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatNone}, "s-value")[0]; r.Err != nil {
		t.Fatal(r.Err)
	}
	must(c.CreateSchema(t.Context(), "s-value", avroSchema(v1)))
	if _, err := c.CreateSchema(t.Context(), "s-value", avroSchema(broken)); err != nil {
		t.Errorf("NONE refuses: %v", err)
	}
	if r := c.ResetCompatibility(t.Context(), "s-value")[0]; r.Err != nil || r.Level != sr.CompatNone {
		t.Errorf("reset: %+v", r)
	}
	wantCode(t, c.ResetCompatibility(t.Context(), "s-value")[0].Err, http.StatusNotFound, 40408)
	wantCode(t, c.Do(t.Context(), http.MethodPut, "/config", map[string]string{"compatibility": "SIDEWAYS"}, nil), http.StatusUnprocessableEntity, 42203)
}

func TestDeletingIsSoftFirst(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, _ := serve(t, t.TempDir())
	first := must(c.CreateSchema(ctx, "s-value", avroSchema(v1)))
	must(c.CreateSchema(ctx, "s-value", avroSchema(v2)))
	wantCode(t, c.DeleteSchema(ctx, "s-value", 1, sr.HardDelete), http.StatusNotFound, 40407)
	if err := c.DeleteSchema(ctx, "s-value", 1, sr.SoftDelete); err != nil {
		t.Fatal(err)
	}
	wantCode(t, c.DeleteSchema(ctx, "s-value", 1, sr.SoftDelete), http.StatusNotFound, 40406)
	if _, err := c.SchemaByID(ctx, first.ID); err != nil {
		t.Errorf("records of a softly deleted schema are unreadable: %v", err)
	}
	_, err := c.SchemaByVersion(ctx, "s-value", 1)
	wantCode(t, err, http.StatusNotFound, 40402)
	if err := c.DeleteSchema(ctx, "s-value", 1, sr.HardDelete); err != nil {
		t.Fatal(err)
	}
	_, err = c.SchemaByID(ctx, first.ID)
	wantCode(t, err, http.StatusNotFound, 40403)

	_, err = c.DeleteSubject(ctx, "s-value", sr.HardDelete)
	wantCode(t, err, http.StatusNotFound, 40405)
	if got := must(c.DeleteSubject(ctx, "s-value", sr.SoftDelete)); !slices.Equal(got, []int{2}) {
		t.Errorf("deleted %v", got)
	}
	_, err = c.DeleteSubject(ctx, "s-value", sr.SoftDelete)
	wantCode(t, err, http.StatusNotFound, 40404)
	must(c.DeleteSubject(ctx, "s-value", sr.HardDelete))
	back := must(c.CreateSchema(ctx, "s-value", avroSchema(v1)))
	if back.ID <= first.ID+1 || back.Version != 3 {
		t.Errorf("an id or version was given twice: %+v", back)
	}
}

func TestFaultsHaveTheCodesOfTheAPI(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	c, _ := serve(t, t.TempDir())
	_, err := c.SubjectVersions(ctx, "none")
	wantCode(t, err, http.StatusNotFound, 40401)
	_, err = c.SchemaByID(ctx, 99)
	wantCode(t, err, http.StatusNotFound, 40403)
	_, err = c.CreateSchema(ctx, "s-value", avroSchema(`{"type":"record"}`))
	wantCode(t, err, http.StatusUnprocessableEntity, 42201)
	_, err = c.CreateSchema(ctx, "s-value", sr.Schema{Schema: `syntax = "proto3";`, Type: sr.TypeProtobuf})
	wantCode(t, err, http.StatusUnprocessableEntity, 42201)
	must(c.CreateSchema(ctx, "s-value", avroSchema(v1)))
	_, err = c.LookupSchema(ctx, "s-value", avroSchema(v2))
	wantCode(t, err, http.StatusNotFound, 40403)
	_, err = c.SchemaByVersion(ctx, "s-value", 7)
	wantCode(t, err, http.StatusNotFound, 40402)
	wantCode(t, c.Do(ctx, http.MethodGet, "/subjects/s-value/versions/first", nil, nil), http.StatusUnprocessableEntity, 42202)
	wantCode(t, c.Do(ctx, http.MethodGet, "/nowhere", nil, nil), http.StatusNotFound, 404)
	wantCode(t, c.Do(ctx, http.MethodPost, "/subjects/s-value/versions", "text", nil), http.StatusBadRequest, 400)
	wantCode(t, c.SetMode(ctx, sr.ModeReadOnly)[0].Err, http.StatusUnprocessableEntity, 42205)
}

func TestAllIsThereAfterAReopenAndATornLineIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	reg := must(registry.Open(dir))
	server := httptest.NewServer(reg)
	c := must(sr.NewClient(sr.URLs(server.URL)))
	must(c.CreateSchema(t.Context(), "a-value", avroSchema(v1)))
	must(c.CreateSchema(t.Context(), "a-value", avroSchema(v2)))
	must(c.CreateSchema(t.Context(), "gone-value", avroSchema(v1)))
	must(c.DeleteSubject(t.Context(), "gone-value", sr.SoftDelete))
	c.SetCompatibility(t.Context(), sr.SetCompatibility{Level: sr.CompatFullTransitive}, "a-value")
	before := must(c.AllSchemas(t.Context()))
	server.Close()
	if err := reg.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "schemas.jsonl")
	whole := must(os.ReadFile(file))
	if err := os.WriteFile(file, append(bytes.Clone(whole), `{"op":"register","subj`...), 0o600); err != nil {
		t.Fatal(err)
	}

	c, _ = serve(t, dir)
	after := must(c.AllSchemas(t.Context()))
	if len(after) != 2 || len(before) != 2 || after[1].ID != before[1].ID || after[1].Schema.Schema != v2 {
		t.Errorf("before %+v\nafter %+v", before, after)
	}
	if got := c.Compatibility(t.Context(), "a-value")[0]; got.Level != sr.CompatFullTransitive {
		t.Errorf("level: %+v", got)
	}
	next := must(c.CreateSchema(t.Context(), "b-value", avroSchema(`"string"`)))
	if next.ID <= after[1].ID {
		t.Errorf("id %d is not new", next.ID)
	}
	if now := must(os.ReadFile(file)); !bytes.HasPrefix(now, whole) || bytes.Contains(now, []byte(`"subj{`)) {
		t.Errorf("the torn line is still there:\n%s", now)
	}
}

func TestADamagedFileIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "schemas.jsonl"), []byte("{\"op\":\"level\",\"level\":\"FULL\"}\nrubbish\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := registry.Open(dir)
	if err == nil || !strings.Contains(err.Error(), "line 2 is damaged") || !strings.Contains(err.Error(), "schemas.jsonl") {
		t.Errorf("Open: %v", err)
	}
}

func TestTheFolderBelongsToOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // try once
	reg := must(registry.Open(dir))
	if _, err := dirlock.Acquire(ctx, dir); !errors.Is(err, dirlock.ErrHeld) {
		t.Errorf("second: %v", err)
	}
	if err := reg.Close(); err != nil {
		t.Fatal(err)
	}
	lock := must(dirlock.Acquire(ctx, dir))
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}

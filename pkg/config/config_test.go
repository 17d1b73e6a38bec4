package config_test

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/config/configtest"
	"joinery.internal/pkg/event"
)

func TestTranscripts(t *testing.T) {
	t.Parallel()
	configtest.Run(t, func(files []config.File) string {
		_, err := config.Load(files)
		if err == nil {
			return "no fault"
		}
		return err.Error()
	})
}

func example(t *testing.T) *config.Config {
	t.Helper()
	cfg, err := config.LoadDir("testdata/good")
	if err != nil {
		t.Fatalf("load the good example:\n%v", err)
	}
	return cfg
}

func TestTheExamplesOfTheFormatLoad(t *testing.T) {
	t.Parallel()
	cfg := example(t)
	hr, ok := cfg.Source("hr")
	if !ok || hr.Authority != config.AuthorityEmployment || hr.Intake.Kind() != "records" || hr.ExpectEvery != 24*time.Hour {
		t.Errorf("source hr = %+v", hr)
	}
	chat, ok := cfg.Target("chat")
	if !ok || chat.Limits.Rate != 20 || *chat.Lifecycle.DeleteAfter != 90*24*time.Hour || !chat.Offers("group") {
		t.Errorf("target chat = %+v", chat)
	}
	if v := chat.Connection["token"]; v.Secret.Reference != "file:secrets/chat" || v.Text != "" {
		t.Errorf("connection.token = %+v", v)
	}
	role, ok := cfg.Policies[0].Roles.Get("payments-approver")
	if !ok || !role.Privileged || role.Requestable.MaxDuration != 90*24*time.Hour || role.Grants[0].String() != "erp:role/payments-approver" {
		t.Errorf("role payments-approver = %+v", role)
	}
	if slices.ContainsFunc(cfg.Files, func(f config.File) bool { return f.Name == config.SettingsFile }) {
		t.Error("joinery.yaml is part of the bundle")
	}
}

func TestTheHashDependsOnTheFilesAndNotOnTheirOrderOrTheSettings(t *testing.T) {
	t.Parallel()
	cfg := example(t)
	backwards := slices.Clone(cfg.Files)
	slices.Reverse(backwards)
	again, err := config.Load(append(backwards, config.File{Name: config.SettingsFile, Data: []byte("apiVersion: joinery/v1\nkind: Settings\nmetadata: {name: x}\n")}))
	if err != nil || again.Hash != cfg.Hash {
		t.Errorf("hash of the same files = %q, %v; want %q", again.Hash, err, cfg.Hash)
	}
	backwards[0].Data = append(slices.Clone(backwards[0].Data), '\n')
	changed, err := config.Load(backwards)
	if err != nil || changed.Hash == cfg.Hash {
		t.Errorf("hash of changed files = %q, %v; want another than %q", changed.Hash, err, cfg.Hash)
	}
}

func TestSecretsAreReadWhenResolvedRelativeToTheFolder(t *testing.T) {
	cfg := example(t)
	chat, _ := cfg.Target("chat")
	if v, err := chat.Connection.Resolve("token"); err != nil || v != "not-a-real-token" {
		t.Errorf("token = %q, %v", v, err)
	}
	erp, _ := cfg.Target("erp")
	if _, err := erp.Connection.Resolve("url"); !errors.Is(err, config.ErrNoSecret) {
		t.Errorf("url of an unset variable: error %v, want ErrNoSecret", err)
	}
	t.Setenv("ERP_DATABASE_URL", "postgres://erp.acme.example/erp")
	if v, err := erp.Connection.Resolve("url"); err != nil || v != "postgres://erp.acme.example/erp" {
		t.Errorf("url = %q, %v", v, err)
	}
}

func TestAConnectorNamesTheKeysItDoesNotKnow(t *testing.T) {
	t.Parallel()
	cfg := example(t)
	chat, _ := cfg.Target("chat")
	if err := chat.Connection.Only("url", "token", "headers."); err != nil {
		t.Errorf("known keys: %v", err)
	}
	err := chat.Connection.Only("urls", "token", "headers.")
	want := `targets/chat.yaml:8:10: unknown key "url" in spec.connection; did you mean "urls"?`
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestFlagsBeatTheEnvironmentBeatsTheFileBeatsTheDefault(t *testing.T) {
	t.Parallel()
	cfg := example(t)
	knobs := []config.Knob{{Name: "kafka", Key: "kafka.brokers", Default: "embedded"}, {Name: "http", Default: ":0"}, {Name: "demo-targets", Default: "true"}, {Name: "timezone"}}
	env := func(name string) (string, bool) {
		v, ok := map[string]string{"JOINERY_HTTP": "127.0.0.1:1", "JOINERY_TIMEZONE": "", "JOINERY_KAFKA": "env:9092"}[name]
		return v, ok
	}
	got := config.Resolve(knobs, map[string]string{"kafka": "flag:9092"}, env, &cfg.Settings)
	want := []config.Setting{
		{Name: "kafka", Value: "flag:9092", Origin: "flag --kafka"},
		{Name: "http", Value: "127.0.0.1:1", Origin: "env JOINERY_HTTP"},
		{Name: "demo-targets", Value: "true", Origin: "default"},
		{Name: "timezone", Value: "Europe/Prague", Origin: "joinery.yaml:5:13"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// Every style of YAML shows the same expression; the place of `departmnet` in it must be the one in the file.
func TestPlacesInsideExpressionsAreThoseOfTheFile(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		yaml         string
		line, column int
	}{
		"plain":           {`      birthright: person.departmnet == "Ä"`, 8, 26},
		"single quoted":   {`      birthright: '"it''s" == person.departmnet'`, 8, 38},
		"double quoted":   {`      birthright: "\"\u0041\" == person.departmnet"`, 8, 41},
		"literal block":   {"      birthright: |\n        true &&\n          person.departmnet == ''", 10, 18},
		"folded block":    {"      birthright: >-\n        true &&\n        person.departmnet == ''", 10, 16},
		"plain, folded":   {"      birthright: true &&\n         person.departmnet == ''", 9, 17},
		"wide characters": {`      birthright: '"žluť" + person.departmnet'`, 8, 36},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := "apiVersion: joinery/v1\nkind: Policy\nmetadata: {name: p}\nspec:\n  roles:\n    r:\n      grants: []\n" + tc.yaml + "\n"
			cfg, err := config.Load([]config.File{{Name: "policy/p.yaml", Data: []byte(text)}})
			if err != nil {
				t.Fatal(err)
			}
			role, _ := cfg.Policies[0].Roles.Get("r")
			before, _, _ := strings.Cut(role.Birthright.Text, "departmnet")
			if at := role.Birthright.At(len([]rune(before))); at.Line != tc.line || at.Column != tc.column {
				t.Errorf("departmnet is at %s, want %d:%d", at, tc.line, tc.column)
			}
		})
	}
}

func TestTheSchemaForEditorsIsMadeOfTheSameTypes(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"Settings", "Source", "Target", "Policy"} {
		data, err := config.JSONSchema(kind)
		if err != nil || !json.Valid(data) {
			t.Errorf("schema of %s: %v", kind, err)
		}
	}
	data, err := config.JSONSchema("Source")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"signal"`, `"expectEvery"`, `"maxProperties": 1`, `"const": "Source"`} {
		if !strings.Contains(string(data), want) {
			t.Errorf("schema of Source lacks %s", want)
		}
	}
	if _, err := config.JSONSchema("Sauce"); err == nil {
		t.Error("a schema of an unknown kind was made")
	}
}

// The keys of a mapping's person and of a test's person are written out in this package; the record is pkg/event's.
func TestEveryFieldOfAProfileCanBeMappedAndTested(t *testing.T) {
	t.Parallel()
	var want []string
	for _, f := range reflect.VisibleFields(reflect.TypeFor[event.Profile]()) {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		want = append(want, key)
	}
	for _, typ := range []reflect.Type{reflect.TypeFor[config.PersonMapping](), reflect.TypeFor[config.Facts]()} {
		var got []string
		for _, f := range reflect.VisibleFields(typ) {
			got = append(got, f.Tag.Get("key"))
		}
		for _, key := range want {
			if !slices.Contains(got, key) {
				t.Errorf("%s lacks %s", typ, key)
			}
		}
	}
}

func TestAFolderThatIsNotOneIsSaidSo(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	if _, err := config.LoadDir(empty); err == nil || !strings.Contains(err.Error(), "is it the right folder?") {
		t.Errorf("empty folder: %v", err)
	}
	if _, err := config.LoadDir(filepath.Join(empty, "missing")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
	if err := os.MkdirAll(filepath.Join(empty, "policy", "more"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(empty, "policy", "x.yml"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := config.LoadDir(empty)
	want := "policy/more:1:1: folders inside policy/ are not read; move its files up\npolicy/x.yml:1:1: only *.yaml is read; rename the file"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func FuzzLoadNeverPanics(f *testing.F) {
	for _, name := range []string{"testdata/good/sources/hr.yaml", "testdata/good/targets/chat.yaml", "testdata/good/policy/corp.yaml", "testdata/good/joinery.yaml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, err := config.Load([]config.File{{Name: "policy/p.yaml", Data: data}})
		if cfg == nil {
			t.Fatal("no configuration")
		}
		var faults config.Faults
		if err != nil && !errors.As(err, &faults) {
			t.Fatalf("error of type %T", err)
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, fault := range faults {
			if fault.Line < 1 || fault.Line > lines || fault.Column < 1 {
				t.Fatalf("fault outside of the file: %v", fault)
			}
		}
	})
}

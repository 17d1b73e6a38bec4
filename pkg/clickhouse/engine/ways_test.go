package engine_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"joinery.internal/pkg/clickhouse"
	"joinery.internal/pkg/clickhouse/engine"
	"joinery.internal/pkg/clickhouse/engine/enginetest"
)

func TestAServerAtAURLIsUsedAsItIs(t *testing.T) {
	t.Parallel()
	server := enginetest.Open(t, t.TempDir())
	for _, url := range []string{server.URL(), server.NativeURL()} {
		eng, err := engine.Open(t.Context(), engine.Options{Setting: url})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := clickhouse.Connect(t.Context(), eng.NativeURL())
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(conn.Close(), eng.Close()); err != nil {
			t.Fatal(err)
		}
		if eng.User() != server.User() || eng.Password() != server.Password() {
			t.Error("the login of the URL is not the engine's")
		}
	}
	if server.Err() != nil {
		t.Error("closing an engine at a URL ended the server")
	}
}

func TestAURLThatDoesNotAnswerOrASettingThatIsNoneSaysSo(t *testing.T) {
	t.Parallel()
	for setting, want := range map[string]string{
		"http://joinery:secret@127.0.0.1:1": "127.0.0.1:1",
		"embeded":                           `"embeded"`,
		"mysql://localhost":                 "scheme",
	} {
		_, err := engine.Open(t.Context(), engine.Options{Setting: setting})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("Open(%s) = %v, want an error with %s and no password", setting, err, want)
		}
	}
}

func TestATakenHTTPPortIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	first := enginetest.Open(t, t.TempDir())
	addr := strings.TrimPrefix(first.HTTPURL(), "http://")
	_, err := engine.Open(t.Context(), engine.Options{Setting: engine.SettingLibrary, Dir: t.TempDir(), SelfExe: enginetest.SelfExe(t), HTTPAddr: addr})
	if err == nil || !strings.Contains(err.Error(), addr) {
		t.Fatalf("Open on a taken port = %v, want an error that names %s", err, addr)
	}
}

func TestWithoutAnyWayTheErrorNamesAllThree(t *testing.T) {
	empty := t.TempDir()
	t.Setenv("PATH", empty)
	t.Setenv("JOINERY_CACHE", empty)
	_, err := engine.Open(t.Context(), engine.Options{Dir: t.TempDir(), SelfExe: enginetest.SelfExe(t)})
	if !errors.Is(err, engine.ErrUnavailable) {
		t.Fatalf("Open = %v, want ErrUnavailable", err)
	}
	for _, part := range []string{"--clickhouse http://", "clickhouse is on PATH", "npm is not on PATH", "JOINERY_CACHE"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q:\n%v", part, err)
		}
	}
}

func TestAnOldClickHouseOnPATHIsPassedOver(t *testing.T) {
	bin := t.TempDir()
	writeScript(t, filepath.Join(bin, "clickhouse"), "echo 'ClickHouse server version 18.16.1.'")
	t.Setenv("PATH", bin)
	_, err := engine.Open(t.Context(), engine.Options{Setting: engine.SettingBinary, Dir: t.TempDir(), SelfExe: enginetest.SelfExe(t)})
	if !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), "18.16.1") {
		t.Fatalf("Open = %v, want it to say that 18.16.1 is too old", err)
	}
}

func writeScript(t *testing.T, path, body string) {
	t.Helper()
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

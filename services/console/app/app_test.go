package app

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"joinery.internal/pkg/service"
)

func env(t *testing.T, settings string) service.Env {
	t.Helper()
	dir := t.TempDir()
	if settings != "" {
		if err := os.WriteFile(filepath.Join(dir, "joinery.yaml"), []byte(settings), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return service.Env{ConfigDir: dir, Log: slog.New(slog.DiscardHandler)}
}

func TestAConsoleWithoutAWayToSignInDoesNotStart(t *testing.T) {
	t.Parallel()
	if err := Run(t.Context(), env(t, "")); !errors.Is(err, ErrNoLogin) {
		t.Errorf("got %v", err)
	}
}

// elsewhere is a listener that says it is not on loopback.
type elsewhere struct{ net.Listener }

func (elsewhere) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 80} }

func TestDemoLoginsAreForLoopbackOnly(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := RunDev(t.Context(), env(t, ""), Options{Listener: elsewhere{l}}); err == nil || !strings.Contains(err.Error(), "loopback only") {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the listener was left open: %v", err)
	}
}

func TestSettingsOfTheConsole(t *testing.T) {
	t.Parallel()
	file := "apiVersion: joinery/v1\nkind: Settings\nmetadata: {name: acme}\nspec:\n  http: 127.0.0.1:9000\n  registry: {url: \"http://127.0.0.1:8081\"}\n  services: {console: {demo-logins: true}}\n"
	none := func(string) (string, bool) { return "", false }
	got, err := readSettings(env(t, file).ConfigDir, none)
	if want := (settings{addr: "127.0.0.1:9000", registry: "http://127.0.0.1:8081", demoLogins: true}); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	over := func(name string) (string, bool) {
		return map[string]string{"JOINERY_HTTP": "127.0.0.1:0", "JOINERY_DEMO_LOGINS": "perhaps"}[name], true
	}
	if _, err := readSettings(env(t, file).ConfigDir, over); err == nil || !strings.Contains(err.Error(), `"perhaps"`) {
		t.Errorf("got %v", err)
	}
}

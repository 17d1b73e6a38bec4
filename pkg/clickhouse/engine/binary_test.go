package engine_test

import (
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"joinery.internal/pkg/clickhouse/engine/enginetest"
)

// fakeBinary is what this test binary does when it is called `clickhouse`: it listens where its configuration says, answers
// pings, lets nobody in, and ends on SIGTERM. It stands for a server's life, not for its SQL.
func fakeBinary(args []string) int {
	if len(args) == 1 && args[0] == "--version" {
		fmt.Println("ClickHouse client version 26.3.1.1 (official build).")
		return 0
	}
	if len(args) != 2 || args[0] != "server" || !strings.HasPrefix(args[1], "--config-file=") {
		fmt.Fprintln(os.Stderr, "unexpected arguments:", args)
		return 2
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	text, err := os.ReadFile(strings.TrimPrefix(args[1], "--config-file="))
	var config struct {
		Host   string `xml:"listen_host"`
		HTTP   string `xml:"http_port"`
		Native string `xml:"tcp_port"`
		Path   string `xml:"path"`
	}
	if err == nil {
		err = xml.Unmarshal(text, &config)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(config.Path, "pid"), fmt.Append(nil, os.Getpid()), 0o600)
	}
	if err == nil {
		_, err = net.Listen("tcp", net.JoinHostPort(config.Host, config.Native))
	}
	var web net.Listener
	if err == nil {
		web, err = net.Listen("tcp", net.JoinHostPort(config.Host, config.HTTP))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go http.Serve(web, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:errcheck // ends with the process
		if r.URL.Path != "/ping" {
			w.WriteHeader(http.StatusForbidden)
		}
	}))
	<-stop
	if err := os.WriteFile(filepath.Join(config.Path, "stopped"), nil, 0o600); err != nil {
		return 1
	}
	return 0
}

// onPath puts the fake on PATH.
func onPath(t *testing.T) {
	t.Helper()
	bin := t.TempDir()
	if err := os.Symlink(enginetest.SelfExe(t)[0], filepath.Join(bin, "clickhouse")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
}

func TestABinaryOnPATHIsPreferredAndStoppedWithTheEngine(t *testing.T) {
	onPath(t)
	dir := t.TempDir()
	eng := enginetest.Open(t, dir)
	if status, _ := post(t, eng.HTTPURL()+"/ping", ""); status != http.StatusOK {
		t.Fatalf("ping = %d", status)
	}
	if err := eng.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "store", "stopped")); err != nil {
		t.Errorf("the server was not asked to stop: %v", err)
	}
}

func TestAServerWhoseHostIsKilledEndsBeforeTheFolderIsOpenedAgain(t *testing.T) {
	onPath(t)
	dir := t.TempDir()
	eng := enginetest.Open(t, dir)
	if err := syscall.Kill(eng.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-eng.Done()
	again := enginetest.Open(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "store", "stopped")); err != nil {
		t.Errorf("the old server did not end before the folder was given to a new one: %v", err)
	}
	if status, _ := post(t, again.HTTPURL()+"/ping", ""); status != http.StatusOK {
		t.Fatalf("ping = %d", status)
	}
}

func TestAServerThatEndsByItselfIsReported(t *testing.T) {
	onPath(t)
	dir := t.TempDir()
	eng := enginetest.Open(t, dir)
	b, err := os.ReadFile(filepath.Join(dir, "store", "pid"))
	if err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(b), &pid); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-eng.Done()
	if err := eng.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("Err = %v, want it to say that the server was killed", err)
	}
}

// Package enginetest gives tests a real ClickHouse engine. The test binary itself serves as its host, so a package
// that uses it hands its TestMain over:
//
//	func TestMain(m *testing.M) { enginetest.Main(m) }
//
//	func TestX(t *testing.T) {
//		eng := enginetest.Open(t, t.TempDir())
//		conn := enginetest.Connect(t, eng)
//
// An engine takes about 0.3 s to open and 250 MB; share one among the subtests of a test. Without a `clickhouse`
// on PATH the library is fetched on first use, by the very code the product uses.
package enginetest

import (
	"context"
	"os"
	"testing"

	"joinery.internal/pkg/clickhouse"
	"joinery.internal/pkg/clickhouse/engine"
)

const hostArg = "engine-host"

// Main is the TestMain of a package that opens engines: in the child it is the host, else it runs the tests.
func Main(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == hostArg {
		os.Exit(engine.HostMain(os.Args[2:]))
	}
	if os.Getenv("GORACE") == "" { // a host built with -race would sleep for a second at its end
		if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// SelfExe is the command line that makes this test binary a host.
func SelfExe(tb testing.TB) []string {
	tb.Helper()
	self, err := os.Executable()
	if err != nil {
		tb.Fatalf("find the test binary: %v", err)
	}
	return []string{self, hostArg}
}

// Open opens an engine on dir and closes it when the test ends.
func Open(tb testing.TB, dir string) *engine.Engine {
	tb.Helper()
	eng, err := engine.Open(tb.Context(), engine.Options{Dir: dir, SelfExe: SelfExe(tb), Progress: os.Stderr})
	if err != nil {
		tb.Fatalf("open engine: %v", err)
	}
	tb.Cleanup(func() {
		if err := eng.Close(); err != nil {
			tb.Errorf("close engine: %v", err)
		}
	})
	return eng
}

// Connect connects to the engine as its owner, until the test ends.
func Connect(tb testing.TB, eng *engine.Engine) clickhouse.Conn {
	tb.Helper()
	return ConnectURL(tb, eng.NativeURL())
}

// ConnectURL connects to a URL until the test ends.
func ConnectURL(tb testing.TB, url string) clickhouse.Conn {
	tb.Helper()
	conn, err := clickhouse.Connect(context.WithoutCancel(tb.Context()), url)
	if err != nil {
		tb.Fatalf("connect: %v", err)
	}
	tb.Cleanup(func() {
		if err := conn.Close(); err != nil {
			tb.Errorf("close connection: %v", err)
		}
	})
	return conn
}

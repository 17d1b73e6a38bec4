// Package engine gives the pipeline a real ClickHouse to write evidence to, without any set-up.
//
// There are three ways, and Open takes the first that the setting allows:
//
//	a URL            a ClickHouse server somebody else runs; Open only checks that it answers
//	a binary         `clickhouse` (or clickhouse-server) on PATH, run on a data folder of ours
//	the library      the engine as a shared library, fetched once through npm into a cache
//
// The last two run in a child process, the host, which is a hidden sub-mode of whatever binary embeds this
// package: Options.SelfExe is the command line that reaches HostMain.
//
//	parent                       host (its own process group)
//	Open ── starts ────────────▶ HostMain: take the folder's lock, write config, start the engine
//	     ◀─ {"http","native"} ──  fd 1: one line, ready or why not
//	     ── fd 0: a pipe ──────▶ closed (Close, or the parent died): stop the engine, cleanly
//
// So the data is whole after kill -9 of the parent, and Open on the same folder waits for the old host to end.
// After kill -9 of the engine itself every acknowledged insert is there (the tables ask for fsync).
//
// The package owns the process, its users and its folder; it knows nothing of the tables (pkg/evidence).
// An Engine may be used from many goroutines.
//
//	eng, err := engine.Open(ctx, engine.Options{Dir: dir, SelfExe: []string{self, "engine-host"}})
//	defer eng.Close()
//	conn, err := clickhouse.Connect(ctx, eng.NativeURL())
package engine

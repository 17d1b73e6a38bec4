// Package demoapp are the targets that come with `joinery dev`: two applications that speak SCIM, chat and wiki, and
// one that keeps its accounts in a SQLite file, erp.
//
// It owns their data, in one folder, and one listener on loopback. Each application can be looked into (a page and
// /inspect, with a journal of effective changes) and made to fail (/switch). It knows nothing of connectors but the
// shape of SQL statements. Development only: whoever reaches the port may look and switch.
//
//	/                 what there is
//	/chat/            a page to look at           /chat/inspect   the same as JSON (Snapshot)
//	/chat/scim/v2/    the application's API       /chat/switch    POST {"mode":"up|down|flaky|slow|reject"}
//
// Every change is written before it is answered, so that killing the process loses nothing (losing power may: nothing
// is synced). A switch is not remembered: all start up. Everything is safe for concurrent use.
//
//	apps, err := demoapp.Start(ctx, filepath.Join(data, "demo"))
//	defer apps.Close()
//	url, token, err := apps.Resolve("demo:chat")
package demoapp

package demoapp_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/connectortest"
	"joinery.internal/pkg/connector/open"
	"joinery.internal/services/demoapp"
)

func start(t *testing.T, dir string) *demoapp.Apps {
	t.Helper()
	apps, err := demoapp.Start(t.Context(), dir)
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	return apps
}

func started(t *testing.T) *demoapp.Apps {
	t.Helper()
	apps := start(t, t.TempDir())
	t.Cleanup(func() {
		if err := apps.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return apps
}

// settings are what dev makes of a target file whose connection.url is demo:name.
func settings(t *testing.T, apps *demoapp.Apps, name string) connector.Settings {
	t.Helper()
	address, token, err := apps.Resolve("demo:" + name)
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	if name == "erp" {
		statements := demoapp.ERPStatements()
		return connector.Settings{Name: name, Connector: "sql", SQL: &statements, Entitlements: []string{"role"}, Connection: map[string]string{"url": address}}
	}
	return connector.Settings{Name: name, Connector: "scim", Entitlements: []string{"group"}, Connection: map[string]string{"url": address, "token": token}}
}

func opened(t *testing.T, s connector.Settings) connector.Connector {
	t.Helper()
	c, err := open.Factory{}.Open(s)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := connector.Close(c); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func look(t *testing.T, apps *demoapp.Apps, name string) demoapp.Snapshot {
	t.Helper()
	s, err := apps.Inspect(context.Background(), name)
	if err != nil {
		t.Fatalf("inspect: %v", err)
	}
	return s
}

// harness empties the application by a call for each account, since it has no other way.
func harness(t *testing.T, apps *demoapp.Apps, name string, attributes [2]string, kind string) connectortest.Harness {
	cleaner := opened(t, settings(t, apps, name))
	return connectortest.Harness{
		New: func(t *testing.T) connector.Connector { return opened(t, settings(t, apps, name)) },
		Reset: func(t *testing.T) {
			for _, a := range look(t, apps, name).Accounts {
				if _, err := cleaner.Apply(context.Background(), connector.Op{Verb: connector.Delete, Ref: connector.Ref{Account: a.Account}}); err != nil {
					t.Fatalf("reset: %v", err)
				}
			}
		},
		Inspect: func(t *testing.T) []connector.Object {
			var out []connector.Object
			for _, a := range look(t, apps, name).Accounts {
				out = append(out, connector.Object{
					Ref:     connector.Ref{Account: a.Account, RemoteID: a.ID, ExternalID: a.ExternalID},
					Enabled: a.Enabled, Attributes: a.Attributes, Entitlements: a.Entitlements,
				})
			}
			return out
		},
		Attributes: attributes, Kind: kind,
	}
}

func TestTheSCIMApplicationsConform(t *testing.T) {
	t.Parallel()
	apps := started(t)
	h := harness(t, apps, "chat", [2]string{"title", "enterprise.department"}, "group")
	s := settings(t, apps, "chat")
	h.HTTP = &connectortest.HTTP{URL: s.Connection["url"], Secret: s.Connection["token"],
		Open: func(t *testing.T, url string, timeout time.Duration) connector.Connector {
			through := s
			through.Connection = map[string]string{"url": url, "token": s.Connection["token"]}
			through.Timeout = timeout
			return opened(t, through)
		}}
	connectortest.Run(t, h)
}

func TestTheSQLApplicationConforms(t *testing.T) {
	t.Parallel()
	connectortest.Run(t, harness(t, started(t), "erp", [2]string{"title", "department"}, "role"))
}

func ana() connector.Desired {
	return connector.Desired{Account: "ana.berg", ExternalID: "id-1", State: connector.Active}
}

func TestTheJournalTellsEveryEffectiveChangeOnce(t *testing.T) {
	t.Parallel()
	apps := started(t)
	for name, kind := range map[string]string{"chat": "group", "wiki": "group", "erp": "role"} {
		c := opened(t, settings(t, apps, name))
		want := ana()
		want.Attributes = map[string]string{"title": "Engineer"}
		want.Entitlements, want.ManagedKinds = []string{kind + "/reader"}, []string{kind}
		drive := func() {
			t.Helper()
			for range 2 { // the second one changes nothing
				if _, err := connector.Drive(t.Context(), c, "k", want); err != nil {
					t.Fatalf("%s: drive: %v", name, err)
				}
			}
		}
		drive()
		want.Attributes["title"] = "Lead"
		drive()
		want.State, want.Entitlements = connector.Disabled, nil
		drive()
		want.State = connector.Active
		drive()
		want.State = connector.Absent
		drive()
		s := look(t, apps, name)
		var verbs []string
		for _, change := range s.Journal {
			if change.Account == "ana.berg" && change.ExternalID == "id-1" && !change.Time.IsZero() {
				verbs = append(verbs, change.Verb)
			}
		}
		if got := strings.Join(verbs, " "); got != "create grant update disable revoke enable delete" {
			t.Errorf("%s: the journal has %q", name, got)
		}
		if s.Creates["ana.berg"] != 1 || s.CreatesByExternalID["id-1"] != 1 || len(s.Accounts) != 0 {
			t.Errorf("%s: %+v", name, s)
		}
	}
}

func TestSwitchesFailAsTheySay(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chat", "erp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			apps := started(t)
			c := opened(t, settings(t, apps, name))
			mode := func(m demoapp.Mode) {
				t.Helper()
				if err := apps.Switch(t.Context(), name, m); err != nil {
					t.Fatalf("switch %s: %v", m, err)
				}
				if got := look(t, apps, name); got.Mode != m || len(got.Accounts) > 1 {
					t.Errorf("switched %s, it says %s", m, got.Mode)
				}
			}
			drive := func(want connector.Class) {
				t.Helper()
				if _, err := connector.Drive(t.Context(), c, "k", ana()); connector.ClassOf(err) != want {
					t.Errorf("drive: %v, want class %q", err, want)
				}
			}
			mode(demoapp.Down)
			drive(connector.Transient)
			mode(demoapp.Reject)
			drive(connector.Invalid)
			mode(demoapp.Slow)
			drive("")
			mode(demoapp.Flaky)
			mode(demoapp.Up)
			drive("")
			if s := look(t, apps, name); s.Creates["ana.berg"] != 1 {
				t.Errorf("created %d times", s.Creates["ana.berg"])
			}
			if err := apps.Switch(t.Context(), name, "sideways"); err == nil || !strings.Contains(err.Error(), "flaky") {
				t.Errorf("a mode there is not: %v", err)
			}
		})
	}
}

func TestAFlakyApplicationIsDrivenToTheEndWithoutDuplicates(t *testing.T) {
	t.Parallel()
	apps := started(t)
	c := opened(t, settings(t, apps, "wiki"))
	if err := apps.Switch(t.Context(), "wiki", demoapp.Flaky); err != nil {
		t.Fatal(err)
	}
	failed := map[connector.Class]int{}
	for i := range 30 {
		want := ana()
		want.Account, want.ExternalID = want.Account+string(rune('a'+i)), want.ExternalID+string(rune('a'+i))
		want.Entitlements, want.ManagedKinds = []string{"group/all"}, []string{"group"}
		for tries := 1; ; tries++ {
			_, err := connector.Drive(t.Context(), c, "k", want)
			if err == nil {
				break
			}
			failed[connector.ClassOf(err)]++
			if tries == 20 {
				t.Fatalf("it does not get on: %v", err)
			}
		}
	}
	s := look(t, apps, "wiki")
	for account, n := range s.Creates {
		if n != 1 {
			t.Errorf("%s was created %d times", account, n)
		}
	}
	if len(s.Accounts) != 30 || failed[connector.Ambiguous] == 0 || failed[connector.Throttled] == 0 || failed[connector.Transient] == 0 {
		t.Errorf("%d accounts, failures %v; want 30, and failures of three classes", len(s.Accounts), failed)
	}
}

func TestARestartKeepsAddressTokensAndData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	apps := start(t, dir)
	address, before := apps.URL(), settings(t, apps, "chat")
	for _, name := range apps.Names() {
		if _, err := connector.Drive(t.Context(), opened(t, settings(t, apps, name)), "k", ana()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	if err := apps.Close(); err != nil {
		t.Fatal(err)
	}
	// As a kill in the middle of a write would leave it.
	file, err := os.OpenFile(filepath.Join(dir, "chat.jsonl"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString(`{"time":"2026-03-0`); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	apps = start(t, dir)
	defer apps.Close()
	if after := settings(t, apps, "chat"); apps.URL() != address || after.Connection["token"] != before.Connection["token"] {
		t.Errorf("it was %s, it is %s", address, apps.URL())
	}
	for _, name := range apps.Names() {
		out, err := connector.Drive(t.Context(), opened(t, settings(t, apps, name)), "k", ana())
		if err != nil || !out.Unchanged() {
			t.Errorf("%s: after the restart the drive changed %+v, %v", name, out.Changes, err)
		}
	}
	other, err := demoapp.Start(t.Context(), copyOf(t, dir)) // the port is taken now
	if err != nil {
		t.Fatalf("start beside it: %v", err)
	}
	defer other.Close()
	if other.URL() == apps.URL() {
		t.Error("two have the same address")
	}
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestOneCanLookAndSwitchOverHTTP(t *testing.T) {
	t.Parallel()
	apps := started(t)
	if _, err := connector.Drive(t.Context(), opened(t, settings(t, apps, "chat")), "k", ana()); err != nil {
		t.Fatal(err)
	}
	get := func(path string) string { return get(t, apps.URL()+path) }
	for _, path := range []string{"/", "/chat/", "/wiki/", "/erp/"} {
		if body := get(path); !strings.Contains(body, "<h1>") {
			t.Errorf("%s is no page: %s", path, body)
		}
	}
	if !strings.Contains(get("/chat/"), "ana.berg") {
		t.Error("the page does not show the account")
	}
	var s demoapp.Snapshot
	if err := json.Unmarshal([]byte(get("/chat/inspect")), &s); err != nil || s.App != "chat" || s.Creates["ana.berg"] != 1 {
		t.Errorf("inspect: %+v, %v", s, err)
	}
	for _, row := range []struct {
		path, kind, body string
		status           int
		mode             demoapp.Mode
	}{
		{"/chat/switch", "application/json", `{"mode":"down"}`, 204, demoapp.Down},
		{"/chat/switch", "application/json", `{"mode":"sideways"}`, 400, demoapp.Down},
		{"/chat/switch", "application/json", `sideways`, 400, demoapp.Down},
		{"/chat/switch", "application/x-www-form-urlencoded", url.Values{"mode": {"up"}}.Encode(), 200, demoapp.Up}, // redirected to the page
		{"/erp/switch", "application/json", `{"mode":"down"}`, 204, demoapp.Up},
	} {
		if got := post(t, apps.URL()+row.path, row.kind, row.body); got != row.status || look(t, apps, "chat").Mode != row.mode {
			t.Errorf("POST %s %s: status %d, want %d; chat is %s", row.path, row.body, got, row.status, look(t, apps, "chat").Mode)
		}
	}
	if !strings.Contains(get("/erp/"), "<strong>down</strong>") {
		t.Error("what is down cannot be looked into")
	}
	if _, _, err := apps.Resolve("demo:mail"); err == nil || !strings.Contains(err.Error(), "chat, wiki, erp") {
		t.Errorf("resolve demo:mail: %v", err)
	}
}

func get(t *testing.T, address string) string {
	t.Helper()
	res, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v: %s", address, res.Status, err, body)
	}
	return string(body)
}

func post(t *testing.T, address, contentType, body string) (status int) {
	t.Helper()
	res, err := http.Post(address, contentType, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

func TestAWrongTokenIsDenied(t *testing.T) {
	t.Parallel()
	apps := started(t)
	s := settings(t, apps, "chat")
	s.Connection["token"] = settings(t, apps, "wiki").Connection["token"]
	_, err := opened(t, s).Get(t.Context(), connector.Ref{Account: "a"})
	if connector.ClassOf(err) != connector.Denied {
		t.Errorf("get: %v, want denied", err)
	}
}

package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"joinery.internal/pkg/connector/scim/scimmytest"
	"joinery.internal/pkg/intake/sendertest"
)

// pushed is a configuration whose sources all push: who works here by SCIM, phone numbers by webhook, alarms by SSF.
const pushed = `
sources/cloud.yaml: |
  {apiVersion: joinery/v1, kind: Source, metadata: {name: cloud}, spec: {authority: employment, intake: {scim: {token: "env:E2E_SCIM"}}, correlate: [employee_number], timezone: Europe/Prague}}
sources/desk.yaml: |
  apiVersion: joinery/v1
  kind: Source
  metadata: {name: desk}
  spec:
    authority: profile
    intake: {webhook: {secret: "env:E2E_WEBHOOK"}}
    map: {source_key: record.number, person: {employee_number: record.number, title: record.job}}
    correlate: [employee_number]
sources/soc.yaml: |
  {apiVersion: joinery/v1, kind: Source, metadata: {name: soc}, spec: {authority: signal, intake: {ssf: {issuer: "ISSUER", audience: joinery}}, correlate: [email]}}
targets/mail.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: mail}
  spec:
    connector: scim
    connection: {url: "MAIL", token: "env:E2E_TOKEN"}
    account: {name: 'slug(person.given_name) + "." + slug(person.family_name)', attributes: {title: person.title, emails.work: person.email}}
    entitlements: [group]
    lifecycle: {prehire: disabled, leave: disabled, ended: disabled, deleteAfter: 90d}
policy/rules.yaml: |
  apiVersion: joinery/v1
  kind: Policy
  metadata: {name: rules}
  spec:
    lifecycle: {mover: {grace: 0s}}
    roles:
      staff: {birthright: 'person.worker_type == "employee"', grants: ["mail:group/all"]}
      finance: {birthright: 'person.department == "Finance"', grants: ["mail:group/finance"]}
      sales: {birthright: 'person.department == "Sales"', grants: ["mail:group/sales"]}
`

// scim calls the SCIM source as its client does.
func (p *pipeline) scim(method, path string, body any) (status int, retry string, out map[string]any) {
	p.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.Console+"/in/scim/cloud/v2"+path, bytes.NewReader(b))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/scim+json")
	req.Header.Set("Authorization", "Bearer e2e-scim-secret")
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out); err != nil {
			p.t.Fatalf("%s %s answers %s", method, path, text)
		}
	}
	return res.StatusCode, res.Header.Get("Retry-After"), out
}

func scimUser(number, given, family, department string) map[string]any {
	return map[string]any{"schemas": []string{"urn:ietf:params:scim:schemas:core:2.0:User"}, "userName": strings.ToLower(given) + "@acme.example",
		"name": map[string]string{"givenName": given, "familyName": family}, "active": true,
		"emails": []map[string]any{{"value": strings.ToLower(given) + "@acme.example", "type": "work", "primary": true}},
		"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": map[string]string{"employeeNumber": number, "department": department}}
}

func scimPatch(path string, value any) map[string]any {
	return map[string]any{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:PatchOp"}, "Operations": []map[string]any{{"op": "Replace", "path": path, "value": value}}}
}

func TestSourcesThatPushReachTheTargets(t *testing.T) {
	mail, sender := scimmytest.Start(t), sendertest.Start(t)
	secret := "whsec_" + base64.StdEncoding.EncodeToString([]byte("0123456789abcdef0123456789abcdef"))
	t.Setenv("E2E_TOKEN", scimmytest.Token)
	t.Setenv("E2E_SCIM", "e2e-scim-secret")
	t.Setenv("E2E_WEBHOOK", secret)
	dir := write(t, strings.NewReplacer("MAIL", mail.Origin+"/scim", "ISSUER", sender.Origin).Replace(pushed))
	p := boot(t, "--config", dir, "--demo-targets=false")

	status, _, ada := p.scim("POST", "/Users", scimUser("1001", "Ada", "Novak", "Finance"))
	if status != http.StatusCreated {
		t.Fatalf("hire by SCIM: %d %v", status, ada)
	}
	id := fmt.Sprint(ada["id"])
	p.eventually("hired by SCIM", func() string { return holds(t, mail, "ada.novak", true, "all", "finance") })

	if status, _, out := p.scim("PATCH", "/Users/"+id, scimPatch("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "Sales")); status != http.StatusOK {
		t.Fatalf("move by SCIM: %d %v", status, out)
	}
	p.eventually("moved by SCIM", func() string { return holds(t, mail, "ada.novak", true, "all", "sales") })

	push := sendertest.Webhook{URL: p.Console + "/in/webhook/desk", Secret: secret, ID: "msg_1", Body: `{"number":"1001","job":"Head of Sales"}`}
	for range 2 { // the sender did not hear the first answer
		if a := sender.Webhook(t, push); a.Status != http.StatusAccepted {
			t.Fatalf("webhook: %+v", a)
		}
	}
	p.eventually("titled by webhook", func() string {
		for _, u := range mail.Inspect(t).Users {
			if u.UserName == "ada.novak" && u.Title == "Head of Sales" {
				return ""
			}
		}
		return "no title"
	})

	push.ID, push.Body = "msg_2", `{"number":"1001","job":"Head"}`
	p.brokerStopped(func() { // both at once: the services of the pipeline have not much more patience than these
		answered := make(chan sendertest.Answer)
		go func() { answered <- sender.Webhook(t, push) }()
		if status, retry, out := p.scim("POST", "/Users", scimUser("1002", "Bo", "Kraus", "Finance")); status != http.StatusServiceUnavailable || retry == "" {
			t.Errorf("SCIM while the broker is away: %d %v", status, out)
		}
		if a := <-answered; a.Status != http.StatusServiceUnavailable || a.Retry == "" {
			t.Errorf("a webhook while the broker is away: %+v", a)
		}
	})
	p.eventually("what was refused is sent again", func() string {
		status, _, out := p.scim("POST", "/Users", scimUser("1002", "Bo", "Kraus", "Finance"))
		if status != http.StatusCreated && status != http.StatusConflict {
			return fmt.Sprintf("SCIM: %d %v", status, out)
		}
		if a := sender.Webhook(t, push); a.Status != http.StatusAccepted {
			return fmt.Sprintf("webhook: %+v", a)
		}
		return ""
	})
	p.eventually("nothing is lost", func() string {
		for _, u := range mail.Inspect(t).Users {
			if u.UserName == "ada.novak" && u.Title != "Head" {
				return "title is " + u.Title
			}
		}
		return holds(t, mail, "bo.kraus", true, "all", "finance")
	})

	token := sender.Token(t, sendertest.Token{Claims: map[string]any{"iss": sender.Origin, "aud": "joinery", "iat": time.Now().Unix(), "jti": "alarm-1",
		"sub_id": map[string]string{"format": "email", "email": "ada@acme.example"},
		"events": map[string]any{"https://schemas.openid.net/secevent/risc/event-type/account-disabled": map[string]string{"reason": "hijacking"}}}})
	if status := p.set(token); status != http.StatusAccepted {
		t.Fatalf("security event token: %d", status)
	}
	observed := sender.Token(t, sendertest.Token{Claims: map[string]any{"iss": sender.Origin, "aud": "joinery", "iat": time.Now().Unix(), "jti": "seen-1",
		"sub_id": map[string]string{"format": "email", "email": "ada@acme.example"},
		"events": map[string]any{"https://schemas.openid.net/secevent/caep/event-type/credential-change": map[string]string{"change_type": "create"}}}})
	if status := p.set(observed); status != http.StatusAccepted {
		t.Fatalf("a token of a signal from which nothing follows: %d", status)
	}
	p.eventually("the signal is a row of hers", func() string {
		return differs(p.sql("select source, reason, outcome from joinery.evidence where kind = 'identity.signal_observed' and identity_id = '"+string(identity("1001"))+"'"), "[[soc credential-change observed]]")
	})
	p.eventually("disabled by the alarm", func() string { return holds(t, mail, "ada.novak", false) })

	if status, _, out := p.scim("PATCH", "/Users/"+id, scimPatch("active", "False")); status != http.StatusOK {
		t.Fatalf("suspend by SCIM: %d %v", status, out)
	}
	if status, _, out := p.scim("PATCH", "/Users/"+id, scimPatch("active", "True")); status != http.StatusOK {
		t.Fatalf("resume by SCIM: %d %v", status, out)
	}
	p.eventually("both are on record", func() string {
		rows := p.sql("select kind, count() from joinery.evidence where identity_id = '" + string(identity("1001")) + "' and kind in ('identity.hire', 'identity.department_change', 'identity.emergency_termination', 'identity.leave_started', 'identity.leave_ended') group by kind order by kind")
		if len(rows) < 3 {
			return fmt.Sprint(rows)
		}
		return ""
	})
	if fault := holds(t, mail, "ada.novak", false); fault != "" {
		t.Errorf("a feed enabled what an emergency disabled: %s", fault)
	}

	p.kill()
	p.start()
	if status, _, out := p.scim("GET", `/Users?filter=userName+eq+%22BO%40acme.example%22`, nil); status != http.StatusOK || fmt.Sprint(out["totalResults"]) != "1" {
		t.Errorf("after kill -9 the resources are %d %v", status, out)
	}
	p.evidenceIsWhole()
}

func (p *pipeline) set(token string) int {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.Console+"/in/ssf/soc", strings.NewReader(token))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/secevent+jwt")
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode
}

// brokerStopped runs while the embedded broker's process is stopped: its connections stand, and it answers nothing.
func (p *pipeline) brokerStopped(run func()) {
	p.t.Helper()
	broker := 0
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		p.t.Fatal(err)
	}
	for _, stat := range stats {
		b, err := os.ReadFile(stat)
		if err != nil { // it has ended
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(stat), "cmdline"))
		if err != nil {
			continue
		}
		fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
		if fields[1] == strconv.Itoa(p.cmd.Process.Pid) && strings.Contains(string(cmdline), "broker-host") {
			broker, _ = strconv.Atoi(filepath.Base(filepath.Dir(stat)))
		}
	}
	if broker == 0 {
		p.t.Fatal("the embedded broker has no process")
	}
	if err := syscall.Kill(broker, syscall.SIGSTOP); err != nil {
		p.t.Fatal(err)
	}
	defer func() {
		if err := syscall.Kill(broker, syscall.SIGCONT); err != nil {
			p.t.Error(err)
		}
	}()
	p.eventually("stopped", func() string { // a signal is sent before it has arrived
		tasks, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", broker))
		if err != nil {
			return err.Error()
		}
		for _, task := range tasks {
			b, err := os.ReadFile(task)
			if err != nil || !strings.HasPrefix(string(b[strings.LastIndexByte(string(b), ')')+1:]), " T") {
				return fmt.Sprintf("%s runs: %v", task, err)
			}
		}
		return ""
	})
	run()
}

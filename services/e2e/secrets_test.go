package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"filippo.io/age"
	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/connector/handover"
	"joinery.internal/pkg/connector/ldap/ldaptest"
	"joinery.internal/pkg/connector/scim/scimmytest"
)

// sealed is a configuration with a secret wherever one can be: a directory whose first passwords are handed over, a SCIM
// target, one that answers every request with what it was sent, and two sources that push.
const sealed = `
sources/people.yaml: |
  {apiVersion: joinery/v1, kind: Source, metadata: {name: people}, spec: {authority: employment, intake: {records: {}}, correlate: [employee_number], timezone: Europe/Prague}}
sources/cloud.yaml: |
  {apiVersion: joinery/v1, kind: Source, metadata: {name: cloud}, spec: {authority: profile, intake: {scim: {token: "file:SECRETS/intake"}}, correlate: [employee_number], timezone: Europe/Prague}}
sources/desk.yaml: |
  apiVersion: joinery/v1
  kind: Source
  metadata: {name: desk}
  spec:
    authority: profile
    intake: {webhook: {secret: "file:SECRETS/webhook"}}
    map: {source_key: record.number, person: {employee_number: record.number, title: record.job}}
    correlate: [employee_number]
targets/directory.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: directory}
  spec:
    connector: ldap
    connection: {url: "LDAP", ca: "CA", user: "USER", password: "file:SECRETS/directory", base: "PEOPLE", groupBase: "GROUPS", recipient: "RECIPIENT", handover: "HANDOVER"}
    account: {name: 'slug(person.given_name)', attributes: {sn: person.family_name}}
    lifecycle: {prehire: disabled, leave: disabled, ended: disabled, deleteAfter: 90d}
targets/mail.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: mail}
  spec:
    connector: scim
    connection: {url: "MAIL", token: "file:SECRETS/mail"}
    account: {name: 'slug(person.given_name)'}
    entitlements: [group]
    lifecycle: {prehire: disabled, leave: disabled, ended: disabled, deleteAfter: 90d}
targets/echo.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: echo}
  spec:
    connector: scim
    connection: {url: "ECHO", token: "file:SECRETS/echo"}
    account: {name: 'slug(person.given_name)'}
    lifecycle: {prehire: disabled, leave: disabled, ended: disabled, deleteAfter: 90d}
policy/rules.yaml: |
  {apiVersion: joinery/v1, kind: Policy, metadata: {name: rules}, spec: {roles: {staff: {birthright: 'true', grants: ["directory:account", "mail:group/all", "echo:account"]}}}}
`

// TestNoSecretIsInAnythingThePipelineKeepsOrSays gives a run every secret it can have and refuses some of them, and then looks
// for each in every record of every topic, every column of every table, metrics, logs, answers of the tool, and every byte
// of the data folder. An account's name, which is no secret, has to be found by the same search.
func TestNoSecretIsInAnythingThePipelineKeepsOrSays(t *testing.T) {
	t.Parallel()
	directory, mail := ldaptest.StartSlapd(t), scimmytest.Start(t)
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{"directory": directory.Service.Password, "mail": scimmytest.Token, "echo": "echo-bearer-5b1c9", "intake": "intake-bearer-77d0e",
		"webhook": "whsec_" + base64.StdEncoding.EncodeToString([]byte("a webhook's secret of 32 letters"))}
	folder, handed := t.TempDir(), filepath.Join(t.TempDir(), "handover")
	for name, secret := range secrets {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	echo := httptest.NewServer(http.HandlerFunc(repeatEverything))
	t.Cleanup(echo.Close)
	dir := write(t, strings.NewReplacer("SECRETS", folder, "LDAP", directory.TLSURL, "CA", directory.CAFile, "USER", directory.Service.DN, "PEOPLE", directory.People,
		"GROUPS", directory.Groups, "RECIPIENT", key.Recipient().String(), "HANDOVER", handed, "MAIL", mail.Origin+"/scim", "ECHO", echo.URL).Replace(sealed))
	p := boot(t, "--config", dir, "--demo-targets=false")

	hire := joiner("8801")
	hire.Source = "people"
	hire.Person.GivenName = "Odalys"
	p.produce(hire)
	p.eventually("hired where that is possible", func() string { return holds(t, mail, "odalys", true, "all") })
	var reference string
	p.eventually("evidence says where the first password is", func() string {
		rows := p.sql("select JSONExtractString(payload, 'handover') from joinery.evidence where kind = 'provision.applied' and target = 'directory'")
		if len(rows) != 1 {
			return fmt.Sprint(rows)
		}
		reference = rows[0][0]
		return ""
	})
	secrets["first password"] = firstPassword(t, reference, key)
	for _, path := range []string{"/in/scim/cloud/v2/Users", "/in/webhook/desk"} { // pushes that are refused
		if status := p.push(path, secrets["intake"]+"x", hire); status < 400 || status >= 500 {
			t.Errorf("a push to %s with a wrong secret: %d", path, status)
		}
	}
	if status := p.push("/in/scim/cloud/v2/Users", secrets["intake"], hire); status != http.StatusBadRequest {
		t.Errorf("a push of what is no SCIM: %d", status)
	}
	p.eventually("what the third target said has become evidence", func() string {
		if rows := p.sql("select count() from joinery.evidence where target = 'echo' and kind = 'exception.opened'"); rows[0][0] == "0" {
			return "no exception"
		}
		return ""
	})

	s := search{t: t, secrets: secrets, control: "odalys"}
	s.topics(p)
	s.tables(p)
	s.answers(p)
	p.stop()
	s.in("the log", p.log.Bytes())
	s.files(p.Data)
	if s.seen["topics"] == 0 || s.seen["tables"] == 0 || s.seen["files"] == 0 {
		t.Errorf("the search is blind: it has seen the account's name %v times", s.seen)
	}
	t.Logf("%d bytes looked through; the account's name was found in %v", s.bytes, s.seen)
}

// repeatEverything refuses, and tells the client what it has said: its credentials too.
func repeatEverything(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body) //nolint:errcheck // what came of it is repeated
	w.Header().Set("Content-Type", "application/scim+json")
	w.WriteHeader(http.StatusBadRequest)
	json.NewEncoder(w).Encode(map[string]any{"status": "400", "scimType": "invalidValue", //nolint:errcheck // the client may have gone
		"detail": fmt.Sprintf("%s %s; %s %s", r.Header.Get("Authorization"), body, r.Method, r.URL)})
}

// push sends something with a bearer token, and gives the status.
func (p *pipeline) push(path, token string, v any) int {
	p.t.Helper()
	body, err := json.Marshal(v)
	if err != nil {
		p.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(p.t.Context(), http.MethodPost, p.Console+path, bytes.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := p.http.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

// firstPassword opens what evidence refers to, as the service desk would.
func firstPassword(t *testing.T, reference string, key *age.X25519Identity) string {
	t.Helper()
	u, err := url.Parse(reference)
	if err != nil || u.Scheme != "file" || u.Fragment != key.Recipient().String() {
		t.Fatalf("the reference is %q: %v", reference, err)
	}
	f, err := os.Open(u.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var secret handover.Secret
	plain, err := age.Decrypt(f, key)
	if err == nil {
		err = json.NewDecoder(plain).Decode(&secret)
	}
	if err != nil || secret.Account != "odalys" || len(secret.Password) < 20 {
		t.Fatalf("sealed is %v: %v", secret, err)
	}
	return secret.Password
}

// search looks for secrets, as they are and as protocols write them.
type search struct {
	t       *testing.T
	secrets map[string]string
	control string // has to be found
	seen    map[string]int
	bytes   int
}

func (s *search) in(where string, b []byte) {
	s.bytes += len(b)
	for name, secret := range s.secrets {
		for _, form := range [][]byte{[]byte(secret), []byte(base64.StdEncoding.EncodeToString([]byte(secret))), wide(secret)} {
			if at := bytes.Index(b, form); at >= 0 {
				s.t.Errorf("the secret %q is in %s: …%q…", name, where, b[max(0, at-100):min(len(b), at+len(form)+20)])
			}
		}
	}
	if kind, _, _ := strings.Cut(where, " "); bytes.Contains(b, []byte(s.control)) {
		if s.seen == nil {
			s.seen = map[string]int{}
		}
		s.seen[kind]++
	}
}

// wide is a text as Active Directory takes passwords.
func wide(s string) []byte {
	var b []byte
	for _, c := range utf16.Encode([]rune(s)) {
		b = append(b, byte(c), byte(c>>8))
	}
	return b
}

// topics reads every record of every topic, those of aborted transactions too. Batches in the broker's files are compressed.
func (s *search) topics(p *pipeline) {
	s.t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(p.Kafka))
	if err != nil {
		s.t.Fatal(err)
	}
	defer client.Close()
	ends, err := kadm.NewClient(client).ListEndOffsets(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	left, from := map[string]map[int32]int64{}, map[string]map[int32]kgo.Offset{}
	n := 0
	ends.Each(func(o kadm.ListedOffset) {
		if o.Offset == 0 {
			return
		}
		if left[o.Topic] == nil {
			left[o.Topic], from[o.Topic] = map[int32]int64{}, map[int32]kgo.Offset{}
		}
		left[o.Topic][o.Partition], from[o.Topic][o.Partition] = o.Offset, kgo.NewOffset().AtStart()
		n++
	})
	reader, err := kgo.NewClient(kgo.SeedBrokers(p.Kafka), kgo.ConsumePartitions(from), kgo.KeepControlRecords())
	if err != nil {
		s.t.Fatal(err)
	}
	defer reader.Close()
	for n > 0 {
		fetches := reader.PollFetches(s.t.Context())
		if err := fetches.Err(); err != nil {
			s.t.Fatal(err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			where := fmt.Sprintf("topics %s/%d/%d", r.Topic, r.Partition, r.Offset)
			s.in(where, r.Key)
			s.in(where, r.Value)
			for _, h := range r.Headers {
				s.in(where, h.Value)
			}
			if end, waits := left[r.Topic][r.Partition]; waits && r.Offset+1 >= end {
				delete(left[r.Topic], r.Partition)
				n--
			}
		})
	}
}

// tables reads every column of every table on disk, the engine's own too. Its files are compressed.
func (s *search) tables(p *pipeline) {
	s.t.Helper()
	for _, table := range p.sql("select concat(database, '.', name) from system.tables where engine like '%MergeTree%'") {
		for _, row := range p.sql("select * from " + table[0]) {
			s.in("tables "+table[0], []byte(strings.Join(row, "\t")))
		}
	}
}

// answers asks what an operator would.
func (s *search) answers(p *pipeline) {
	s.t.Helper()
	res, err := p.http.Get(p.Metrics)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.in("metrics", b)
	for _, args := range [][]string{{"config", "show", "--origin"}, {"target", "list"}, {"target", "check", "mail"}, {"target", "check", "echo"}, {"target", "check", "directory"},
		{"dlq", "list"}, {"status"}, {"person", "timeline", "8801"}, {"case", "list"}} {
		out, errs, _ := p.joinery(append(args, "-o", "json")...)
		s.in("answers of "+strings.Join(args, " "), []byte(out+errs))
	}
}

// files reads every byte below a folder.
func (s *search) files(dir string) {
	s.t.Helper()
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil {
			s.in("files "+path, b)
		}
		return err
	}); err != nil {
		s.t.Fatal(err)
	}
}

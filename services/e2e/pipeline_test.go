// Package e2e boots the whole pipeline as its users do, from the built binary, and reads every end state out of band:
// from the targets' own pages and from ClickHouse over HTTP.
package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"joinery.internal/pkg/child/childtest"
	"joinery.internal/pkg/event"
)

// joineryBinary is the joinery command, built once for all tests.
var joineryBinary string

func TestMain(m *testing.M) {
	os.Exit(childtest.Main(m, "joinery.internal/services/joinery", &joineryBinary, 0))
}

// endpoints is the ready line of `joinery dev`.
type endpoints struct {
	Ready      bool
	Kafka      string
	Registry   string
	ClickHouse string
	Console    string
	Metrics    string
	Targets    string
	Data       string
	PID        int
}

// pipeline is a running `joinery dev`.
type pipeline struct {
	endpoints
	t    *testing.T
	args []string
	cmd  *exec.Cmd
	home string
	log  *bytes.Buffer
	http *http.Client
}

// boot starts `joinery dev` on a folder of the test's own.
func boot(t *testing.T, args ...string) *pipeline {
	t.Helper()
	p := &pipeline{t: t, home: t.TempDir(), http: &http.Client{Timeout: time.Minute}}
	p.args = append([]string{"dev", "--http", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data")}, args...)
	p.start()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("log of joinery dev:\n%s", tail(p.log.String(), 6000))
		}
	})
	return p
}

func tail(s string, n int) string {
	if len(s) > n {
		return "…" + s[len(s)-n:]
	}
	return s
}

func (p *pipeline) start() {
	p.t.Helper()
	p.log = &bytes.Buffer{}
	p.cmd = exec.Command(joineryBinary, p.args...)
	p.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+p.home)
	p.cmd.Stderr = p.log
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	line := make(chan string, 1)
	go func() {
		r := bufio.NewReader(out)
		s, _ := r.ReadString('\n')
		line <- s
		io.Copy(io.Discard, r) //nolint:errcheck // until it ends
	}()
	select {
	case s := <-line:
		if err := json.Unmarshal([]byte(s), &p.endpoints); err != nil || !p.Ready {
			p.cmd.Wait() //nolint:errcheck // its log says more
			p.t.Fatalf("first line of joinery dev is %q: %v\n%s", s, err, p.log)
		}
	case <-time.After(5 * time.Minute):
		p.t.Fatalf("joinery dev is not ready after 5 minutes\n%s", p.log)
	}
}

// stop ends the pipeline as SIGTERM does, and demands that it ends well and soon.
func (p *pipeline) stop() {
	p.t.Helper()
	if p.cmd == nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGTERM) //nolint:errcheck // Wait tells
	began := time.Now()
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("joinery dev did not stop cleanly: %v\n%s", err, tail(p.log.String(), 3000))
	}
	if took := time.Since(began); took > 20*time.Second {
		p.t.Errorf("joinery dev took %s to stop", took)
	}
	p.cmd = nil
}

// kill ends the pipeline as `kill -9` does.
func (p *pipeline) kill() {
	p.t.Helper()
	p.cmd.Process.Kill() //nolint:errcheck // Wait tells
	p.cmd.Wait()         //nolint:errcheck // killed
}

// call is one HTTP request with a JSON answer.
func (p *pipeline) call(method, url, as string, body []byte, out any) (status int, err error) {
	req, err := http.NewRequestWithContext(p.t.Context(), method, url, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	if as != "" {
		req.Header.Set("Joinery-As", as)
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := p.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	if res.StatusCode >= 300 {
		return res.StatusCode, fmt.Errorf("%s %s: %s: %s", method, url, res.Status, b)
	}
	if out == nil {
		return res.StatusCode, nil
	}
	return res.StatusCode, json.Unmarshal(b, out)
}

func (p *pipeline) api(method, path, as string, body, out any) {
	p.t.Helper()
	b, err := json.Marshal(body)
	if err == nil {
		_, err = p.call(method, p.Console+"/api/v1"+path, as, b, out)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}

// produce sends records in through the source topic.
func (p *pipeline) produce(records ...event.SourceRecord) {
	p.t.Helper()
	var lines bytes.Buffer
	for _, r := range records {
		if err := json.NewEncoder(&lines).Encode(r); err != nil {
			p.t.Fatal(err)
		}
	}
	if _, err := p.call("POST", p.Console+"/api/v1/produce?topic=jml.source.record.v1", "", lines.Bytes(), nil); err != nil {
		p.t.Fatal(err)
	}
}

// joinery runs the command-line tool against the pipeline.
func (p *pipeline) joinery(args ...string) (stdout, stderr string, code int) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, joineryBinary, args...)
	cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+p.home, "NO_COLOR=1")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		p.t.Fatalf("joinery %v: %v", args, err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// sql asks ClickHouse itself, over HTTP, for rows of strings.
func (p *pipeline) sql(query string) [][]string {
	p.t.Helper()
	rows, err := p.trySQL(query)
	if err != nil {
		p.t.Fatal(err)
	}
	return rows
}

func (p *pipeline) trySQL(query string) ([][]string, error) {
	u, err := url.Parse(p.ClickHouse)
	if err != nil {
		return nil, err
	}
	password, _ := u.User.Password()
	user := u.User.Username()
	u.User = nil
	req, err := http.NewRequestWithContext(p.t.Context(), "POST", u.String(), strings.NewReader(query+" FORMAT TSV"))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth(user, password)
	res, err := p.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s: %s", query, res.Status, b)
	}
	var rows [][]string
	for line := range strings.Lines(string(b)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows, nil
}

// account is what a bundled target shows of one account.
type account struct {
	Account      string
	ID           string
	ExternalID   string `json:"external_id"`
	Enabled      bool
	Attributes   map[string]string
	Entitlements []string
}

type snapshot struct {
	Accounts            []account
	CreatesByExternalID map[string]int `json:"creates_by_external_id"`
}

// look reads what a bundled target holds, by identity.
func (p *pipeline) look(target string) (map[event.IdentityID]account, snapshot) {
	p.t.Helper()
	var s snapshot
	if _, err := p.call("GET", p.Targets+"/"+target+"/inspect", "", nil, &s); err != nil {
		p.t.Fatal(err)
	}
	held := map[event.IdentityID]account{}
	for _, a := range s.Accounts {
		held[event.IdentityID(a.ExternalID)] = a
	}
	return held, s
}

func (p *pipeline) switchTo(target, mode string) {
	p.t.Helper()
	if _, err := p.call("POST", p.Targets+"/"+target+"/switch", "", []byte(`{"mode":"`+mode+`"}`), nil); err != nil {
		p.t.Fatal(err)
	}
}

// eventually waits until check finds nothing wrong.
func (p *pipeline) eventually(what string, check func() string) {
	p.t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		wrong := check()
		if wrong == "" {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("%s: %s", what, wrong)
		}
		select {
		case <-p.t.Context().Done():
			p.t.Fatal(p.t.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// identity is the id that a worker gets from the employee number.
func identity(number string) event.IdentityID {
	return event.IdentityID(event.DeriveID("p", 0, "employee_number", number))
}

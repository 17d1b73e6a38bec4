package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"joinery.internal/pkg/transcript"
	"joinery.internal/services/joinery/internal/cli"
	"joinery.internal/services/joinery/internal/running"
)

// Transcripts are testdata/*.txt: prose, then commands with what they send to the API, print and exit with.
//
//	$ person show 4711
//	> GET /persons/4711
//	! joinery: nobody has ...
//	exit 1
func TestTranscripts(t *testing.T) {
	t.Parallel()
	transcript.Run(t, play)
}

// play runs every command of a transcript and returns it with what came out.
func play(t *testing.T, transcript string) string {
	t.Helper()
	var out strings.Builder
	prose := true
	for line := range strings.Lines(transcript) {
		command, isCommand := strings.CutPrefix(line, "$ ")
		switch {
		case isCommand:
			prose = false
			out.WriteString(line)
			out.WriteString(run(t, strings.TrimSpace(command)))
		case prose || strings.HasPrefix(line, "# ") || strings.TrimSpace(line) == "":
			if !isBlankAfterExit(out.String(), line) {
				out.WriteString(line)
			}
		}
	}
	return out.String()
}

// isBlankAfterExit keeps one blank line between commands, which run writes.
func isBlankAfterExit(sofar, line string) bool {
	return strings.TrimSpace(line) == "" && strings.HasSuffix(sofar, "\n\n")
}

// run executes one command line against an API of canned answers.
func run(t *testing.T, command string) string {
	t.Helper()
	var sent strings.Builder
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { answer(t, &sent, w, r) }))
	defer api.Close()
	root := cli.Root()
	var stdout, stderr bytes.Buffer
	root.SetOut(&stdout)
	root.SetErr(&stderr)
	root.SetIn(strings.NewReader(`{"id":"r-1"}` + "\n"))
	args := append([]string{"--server", api.URL, "--config", filepath.Join(t.TempDir(), "joinery.yaml")}, words(command)...)
	code := cli.Execute(t.Context(), root, args)
	var out strings.Builder
	out.WriteString(sent.String())
	out.WriteString(strings.ReplaceAll(stdout.String(), api.URL, "SERVER"))
	for line := range strings.Lines(strings.ReplaceAll(stderr.String(), api.URL, "SERVER")) {
		out.WriteString("! " + line)
	}
	fmt.Fprintf(&out, "exit %d\n\n", code)
	return out.String()
}

// words splits a command line; double quotes keep words together.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, `"`) {
		if i%2 == 1 {
			out = append(out, part)
			continue
		}
		out = append(out, strings.Fields(part)...)
	}
	return out
}

// answer notes the request and gives its canned answer.
func answer(t *testing.T, sent *strings.Builder, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Error(err)
	}
	path, ok := strings.CutPrefix(r.URL.RequestURI(), "/api/v1")
	if !ok {
		t.Errorf("asked for %s, which is no path of the API", r.URL)
	}
	fmt.Fprintf(sent, "> %s %s", r.Method, path)
	if as := r.Header.Get("Joinery-As"); as != "" {
		fmt.Fprintf(sent, " as %s", as)
	}
	if len(body) > 0 {
		fmt.Fprintf(sent, " %s %s", r.Header.Get("Content-Type"), strings.TrimSpace(string(body)))
	}
	sent.WriteString("\n")
	for _, c := range canned {
		if c.method == r.Method && c.path == path {
			w.Header().Set("Content-Type", "application/json")
			if strings.HasPrefix(path, "/export") {
				w.Header().Set("Content-Type", "application/x-ndjson")
			}
			io.WriteString(w, c.body) //nolint:errcheck // the tool says so if it lacks the rest
			return
		}
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusNotFound)
	fmt.Fprintf(w, `{"title":"Not there","status":404,"detail":"nothing is canned for %s","errors":["one thing","another thing"]}`, r.URL.Path)
}

func TestTheToolFindsThePipelineThatRuns(t *testing.T) {
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		io.WriteString(w, `{"now":"2026-03-02T08:00:00Z","movable":true}`) //nolint:errcheck // the tool says so if it lacks the rest
	}))
	defer api.Close()
	t.Setenv("XDG_RUNTIME_DIR", t.TempDir())
	t.Setenv("JOINERY_SERVER", "")
	t.Chdir(t.TempDir())
	ask := func() (string, int) {
		root := cli.Root()
		var out, err bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&err)
		code := cli.Execute(t.Context(), root, []string{"clock", "show"})
		return err.String(), code
	}
	if said, code := ask(); code != cli.Failed || !strings.Contains(said, "start one with `joinery dev`") {
		t.Errorf("with none: exit %d, %s", code, said)
	}
	if err := running.Write(running.Dev{Console: api.URL, PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	if said, code := ask(); code != cli.Done {
		t.Errorf("the running dev: exit %d, %s", code, said)
	}
	t.Setenv("JOINERY_SERVER", "http://127.0.0.1:1")
	if said, code := ask(); code != cli.Failed || !strings.Contains(said, "http://127.0.0.1:1 does not answer: is it running?") {
		t.Errorf("JOINERY_SERVER over it: exit %d, %s", code, said)
	}
	t.Setenv("JOINERY_SERVER", "")
	settings := "apiVersion: joinery/v1\nkind: Settings\nmetadata: {name: acme}\nspec: {server: \"nonsense\"}\n"
	if err := os.WriteFile("joinery.yaml", []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, code := ask(); code != cli.Usage || !strings.Contains(said, `"nonsense" is no address`) {
		t.Errorf("joinery.yaml over it: exit %d, %s", code, said)
	}
}

func TestConfigShowSaysWhichSettingWon(t *testing.T) {
	t.Setenv("JOINERY_REGISTRY", "http://user:secret@127.0.0.1:8081")
	file := filepath.Join(t.TempDir(), "joinery.yaml")
	settings := "apiVersion: joinery/v1\nkind: Settings\nmetadata: {name: acme}\nspec:\n  kafka: {brokers: \"b.acme.example:9092\"}\n  log: {level: debug}\n"
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	root := cli.Root()
	var out bytes.Buffer
	root.SetOut(&out)
	if code := cli.Execute(t.Context(), root, []string{"config", "show", "--origin", "--config", file, "--server", "http://127.0.0.1:1", "-o", "ndjson"}); code != cli.Done {
		t.Fatalf("exit %d", code)
	}
	for _, line := range []string{
		`{"id":"server","value":"http://127.0.0.1:1","origin":"flag --server"}`,
		`{"id":"registry","value":"http://user:xxxxx@127.0.0.1:8081","origin":"env JOINERY_REGISTRY"}`,
		`{"id":"kafka","value":"b.acme.example:9092","origin":"joinery.yaml:5:20"}`,
		`{"id":"timezone","value":"UTC","origin":"default"}`,
	} {
		if !strings.Contains(out.String(), line+"\n") {
			t.Errorf("lacks %s:\n%s", line, out.String())
		}
	}
}

func TestSomethingThatIsNoConsoleIsSaidToBeNone(t *testing.T) {
	t.Parallel()
	for name, h := range map[string]http.HandlerFunc{
		"a page":       func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, //nolint:errcheck // a test's answer
		"another's":    func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", http.StatusBadGateway) },
		"empty answer": func(http.ResponseWriter, *http.Request) {},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(h)
			defer server.Close()
			root := cli.Root()
			var said bytes.Buffer
			root.SetErr(&said)
			if code := cli.Execute(t.Context(), root, []string{"status", "--server", server.URL}); code != cli.Failed || !strings.Contains(said.String(), "check the address") {
				t.Errorf("exit %d, %s", code, said.String())
			}
		})
	}
}

func TestEveryVerbHasAnExampleAndAShortHelp(t *testing.T) {
	t.Parallel()
	commands := cli.Root().Commands()
	for len(commands) > 0 {
		c := commands[0]
		commands = append(commands[1:], c.Commands()...)
		if c.Short == "" || !c.HasSubCommands() && !strings.Contains(c.Example, c.CommandPath()) {
			t.Errorf("%s: help %q, example %q", c.CommandPath(), c.Short, c.Example)
		}
	}
}

func TestACodeOfAnotherVerbIsKept(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err  error
		want int
	}{{nil, cli.Done}, {errors.New("x"), cli.Failed}, {cli.ExitWith(cli.Partly, nil), cli.Partly}, {fmt.Errorf("demo: %w", cli.ExitWith(cli.Findings, errors.New("x"))), cli.Findings}} {
		root := cli.Root(&cobra.Command{Use: "play", RunE: func(*cobra.Command, []string) error { return c.err }})
		root.SetErr(io.Discard)
		if got := cli.Execute(t.Context(), root, []string{"play"}); got != c.want {
			t.Errorf("%v exits %d, want %d", c.err, got, c.want)
		}
	}
}

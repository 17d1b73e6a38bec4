// Package transcript runs tests that people can read: files in testdata that tell in prose what happens, with inputs and
// what follows from them. `go test -update` makes the outputs anew; read the difference before you keep it.
//
// It owns the loop over the files, the comparison and the -update flag. What an input means is the test's.
//
//	func TestTranscripts(t *testing.T) {
//		transcript.Run(t, func(t *testing.T, text string) string { return replay(text) })
//	}
package transcript

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the outputs of transcripts in testdata")

// Run plays each testdata/*.txt: replay gets the text and returns it with every output made anew.
func Run(t *testing.T, replay func(t *testing.T, text string) string) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("find transcripts in testdata: %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatalf("read transcript: %v", err)
			}
			got := replay(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatalf("rewrite transcript: %v", err)
				}
				return
			}
			compare(t, file, string(text), got)
		})
	}
}

// Blocks replays the usual form: prose, then blocks of commands, a line of four dashes, and their output up to an empty
// line. run gets the commands of a block and returns what they lead to.
func Blocks(text string, run func(commands []string) string) string {
	var out strings.Builder
	var commands []string
	inOutput := false
	for line := range strings.Lines(text) {
		word := strings.TrimSpace(line)
		switch {
		case inOutput && word != "":
			continue
		case word == "----":
			out.WriteString(line)
			out.WriteString(run(commands))
			commands, inOutput = nil, true
			continue
		case word == "":
			commands, inOutput = nil, false
		default:
			commands = append(commands, word)
		}
		out.WriteString(line)
	}
	return out.String()
}

// compare names the first line that differs.
func compare(t *testing.T, file, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		switch {
		case i >= len(g):
			t.Fatalf("%s:%d: want %q, the output ends", file, i+1, w[i])
		case i >= len(w):
			t.Fatalf("%s:%d: got %q, the transcript ends", file, i+1, g[i])
		case w[i] != g[i]:
			t.Fatalf("%s:%d:\nwant %s\ngot  %s\n(-update rewrites the transcript)", file, i+1, w[i], g[i])
		}
	}
}

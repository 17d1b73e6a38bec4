// Package configtest runs transcripts: testdata files that show input files and what is said about them.
//
// It owns the form of a transcript, nothing of what is tested. A transcript is prose with any number of cases in it:
//
//	A misspelt key is named, with the key that was probably meant.
//
//	check
//	=== sources/hr.yaml
//	apiVersion: joinery/v1
//	----
//	sources/hr.yaml:1:1: the document lacks the key "kind"
//
// The output ends at an empty line. `go test -update` rewrites the outputs; read the diff before you keep it.
package configtest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"joinery.internal/pkg/config"
)

var update = flag.Bool("update", false, "rewrite the outputs of transcripts in testdata")

// Run runs every transcript in testdata/*.txt: run gets the files of a case and returns the output.
func Run(t *testing.T, run func(files []config.File) string) {
	t.Helper()
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatalf("find transcripts in testdata: %v, %v", names, err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(name)
			if err != nil {
				t.Fatalf("read transcript: %v", err)
			}
			got := replay(string(data), run)
			if *update {
				if err := os.WriteFile(name, []byte(got), 0o644); err != nil {
					t.Fatalf("rewrite transcript: %v", err)
				}
				return
			}
			compare(t, name, string(data), got)
		})
	}
}

// replay returns the transcript with every output made anew.
func replay(text string, run func([]config.File) string) string {
	var out strings.Builder
	var files []config.File
	inCase, skipping := false, false
	for line := range strings.Lines(text) {
		word := strings.TrimRight(line, "\n")
		switch {
		case skipping && word != "":
			continue
		case skipping:
			skipping = false
		case !inCase && word == "check":
			inCase, files = true, nil
		case inCase && strings.HasPrefix(word, "=== "):
			files = append(files, config.File{Name: strings.TrimPrefix(word, "=== ")})
		case inCase && word == "----":
			out.WriteString(line)
			if said := strings.TrimRight(run(files), "\n"); said != "" {
				out.WriteString(said + "\n")
			}
			inCase, skipping = false, true
			continue
		case inCase && len(files) > 0:
			last := &files[len(files)-1]
			last.Data = append(last.Data, line...)
		}
		out.WriteString(line)
	}
	return out.String()
}

func compare(t *testing.T, name, want, got string) {
	t.Helper()
	if want == got {
		return
	}
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		switch {
		case i >= len(g):
			t.Fatalf("%s:%d: want %q, the output ends", name, i+1, w[i])
		case i >= len(w):
			t.Fatalf("%s:%d: got %q, the transcript ends", name, i+1, g[i])
		case w[i] != g[i]:
			t.Fatalf("%s:%d:\nwant %s\ngot  %s\n(-update rewrites the transcript)", name, i+1, w[i], g[i])
		}
	}
}

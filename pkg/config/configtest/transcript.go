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
	"strings"
	"testing"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/transcript"
)

// Run runs every transcript in testdata/*.txt: run gets the files of a case and returns the output.
func Run(t *testing.T, run func(files []config.File) string) {
	t.Helper()
	transcript.Run(t, func(_ *testing.T, text string) string { return replay(text, run) })
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

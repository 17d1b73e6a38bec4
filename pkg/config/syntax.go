package config

import (
	"bytes"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxSyntaxTries bounds the search for the line of a syntax error; each try parses part of the file.
const maxSyntaxTries = 200

var yamlPrefix = regexp.MustCompile(`^yaml: (line [0-9]+: )?`)

// syntaxFault places an error of the YAML parser. The parser's own line is that of the enclosing block, or one
// less, and it gives no column; so the fault is put on the line after the longest beginning of the file that is
// valid YAML: the line that broke it, or where something opens that is never closed.
func syntaxFault(f File, err error) Fault {
	lines := strings.SplitAfter(string(f.Data), "\n")
	in := &lineReader{lines: lines}
	_ = parse(in) // fails as it did; what counts is how far it read
	last := min(in.next, len(lines))
	line := last
	for n := last - 1; n >= 0 && n > last-maxSyntaxTries; n-- {
		line = n + 1
		if parse(strings.NewReader(strings.Join(lines[:n], ""))) == nil {
			break
		}
	}
	text := lines[line-1]
	indent := len(text) - len(strings.TrimLeft(text, " \t"))
	return Fault{f.Name, line, utf8.RuneCountInString(text[:indent]) + 1, "not valid YAML: " + yamlPrefix.ReplaceAllString(err.Error(), "")}
}

// parse reads all documents and returns what is wrong with the first that is not YAML.
func parse(r io.Reader) error {
	in := yaml.NewDecoder(r)
	for {
		var doc yaml.Node
		if err := in.Decode(&doc); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// lineReader hands out one line at a time, so that it knows how far a parser has read.
type lineReader struct {
	lines []string
	next  int
	rest  bytes.Reader
}

func (r *lineReader) Read(p []byte) (int, error) {
	for r.rest.Len() == 0 {
		if r.next == len(r.lines) {
			return 0, io.EOF
		}
		r.rest.Reset([]byte(r.lines[r.next]))
		r.next++
	}
	return r.rest.Read(p)
}

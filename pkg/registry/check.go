package registry

import (
	"fmt"

	"github.com/twmb/avro"

	"joinery.internal/schemas"
)

// Problem is something wrong with the schemas of a subject.
type Problem struct {
	Subject string `json:"subject"`
	Version int    `json:"version"` // the newer of the two
	Text    string `json:"text"`
}

func (p Problem) String() string { return fmt.Sprintf("%s v%d: %s", p.Subject, p.Version, p.Text) }

// CheckAll checks the embedded schemas: every one is valid Avro, a subject keeps its record's name for ever, and each version goes with all
// before it at the subject's level.
func CheckAll() []Problem {
	var out []Problem
	for _, s := range schemas.Subjects() {
		out = append(out, checkSubject(s)...)
	}
	return out
}

func checkSubject(s schemas.Subject) []Problem {
	var (
		out     []Problem
		earlier []older
		name    string
	)
	for i, text := range s.Versions {
		say := func(format string, args ...any) {
			out = append(out, Problem{Subject: s.Name, Version: i + 1, Text: fmt.Sprintf(format, args...)})
		}
		schema, err := avro.Parse(text)
		if err != nil {
			say("not valid Avro: %v", err)
			continue // what is not valid cannot be compared with
		}
		root := schema.Root()
		switch full := root.Namespace + "." + root.Name; {
		case root.Type != "record":
			say("is a %s, and values are records", root.Type)
		case name == "":
			name = full
		case full != name:
			say("is of %s, and v1 was of %s: a new record needs a new topic", full, name)
		}
		faults, err := LevelOf(s.Topic).Check(text, earlier)
		if err != nil {
			say("compare with earlier versions: %v", err)
		}
		for _, f := range faults {
			say("%s (%s)", f, LevelOf(s.Topic))
		}
		earlier = append(earlier, older{version: i + 1, text: text})
	}
	return out
}

// Package schemas holds what the services of the pipeline share with the world: the Avro schemas of all topics, the list of topics, and
// golden records. Topics are the API, so this folder is the API's definition.
//
//	<topic>-value/vN.avsc          every version for ever; the highest N is what producers write
//	topics.yaml                    partitions, cleanup, retention, key, writer and readers of each topic
//	golden/<subject>/vN/*.json     records in plain JSON ...
//	golden/<subject>/vN/*.bin      ... and their bytes, bare Avro of version N, which every later version must read
//
// It embeds these files and gives them out as text; it depends on nothing and parses nothing (package wire does). All of it is
// read-only and safe for concurrent use.
package schemas

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
)

//go:embed *-value topics.yaml golden
var files embed.FS

const subjectSuffix = "-value" // TopicNameStrategy

// Subject is one schema subject with all its versions.
type Subject struct {
	Name     string   // the topic's name and "-value"
	Topic    string   //
	Versions []string // Avro text; index 0 is v1
}

// Latest is the newest version's text.
func (s Subject) Latest() string { return s.Versions[len(s.Versions)-1] }

// GoldenRecord is a record written by an earlier version of the software. Its bytes must be readable for ever.
type GoldenRecord struct {
	Subject string
	Topic   string
	Version int    // 1 is v1
	Name    string // the file's, without extension
	JSON    []byte // plain JSON
	Binary  []byte // bare Avro, without framing
}

// Subjects returns all subjects by name.
func Subjects() []Subject { return slices.Clone(subjects()) }

// Latest returns the newest schema of the topic's values, or "" for a topic that has none.
func Latest(topic string) string {
	for _, s := range subjects() {
		if s.Topic == topic {
			return s.Latest()
		}
	}
	return ""
}

// TopicsYAML is the list of topics.
func TopicsYAML() []byte { return mustRead("topics.yaml") }

// Golden returns all golden records, by subject, version and name.
func Golden() []GoldenRecord {
	var out []GoldenRecord
	for _, s := range subjects() {
		for v := range s.Versions {
			dir := path.Join("golden", s.Name, "v"+strconv.Itoa(v+1))
			for _, e := range entries(dir) {
				name, isJSON := strings.CutSuffix(e.Name(), ".json")
				if !isJSON {
					continue
				}
				out = append(out, GoldenRecord{
					Subject: s.Name, Topic: s.Topic, Version: v + 1, Name: name,
					JSON: mustRead(path.Join(dir, e.Name())), Binary: mustRead(path.Join(dir, name+".bin")),
				})
			}
		}
	}
	return out
}

var subjects = sync.OnceValue(func() []Subject {
	var out []Subject
	for _, e := range entries(".") {
		topic, isSubject := strings.CutSuffix(e.Name(), subjectSuffix)
		if !isSubject {
			continue
		}
		s := Subject{Name: e.Name(), Topic: topic}
		for v := 1; v <= len(entries(e.Name())); v++ { // a gap in the numbers is a broken build
			s.Versions = append(s.Versions, string(mustRead(path.Join(e.Name(), fmt.Sprintf("v%d.avsc", v)))))
		}
		out = append(out, s)
	}
	return out
})

// entries lists a folder; one that does not exist is empty.
func entries(dir string) []fs.DirEntry {
	list, err := files.ReadDir(dir)
	if err != nil {
		return nil
	}
	return list
}

// mustRead reads a file that the build has embedded.
func mustRead(name string) []byte {
	b, err := files.ReadFile(name)
	if err != nil {
		panic("schemas: " + err.Error() + ": the folder is not as the package comment says")
	}
	return b
}

package schemas_test

import (
	"encoding/json"
	"strings"
	"testing"

	"joinery.internal/schemas"
)

func TestEverySubjectHasVersionsThatAreJSONRecordsOfItsTopic(t *testing.T) {
	t.Parallel()
	list := schemas.Subjects()
	if len(list) == 0 {
		t.Fatal("no subject is embedded")
	}
	for _, s := range list {
		if s.Name != s.Topic+"-value" || len(s.Versions) == 0 {
			t.Errorf("subject %+v", s)
		}
		for i, text := range s.Versions {
			var v struct{ Type, Name, Namespace string }
			if err := json.Unmarshal([]byte(text), &v); err != nil || v.Type != "record" || v.Namespace != "joinery" {
				t.Errorf("%s v%d: %v %+v", s.Name, i+1, err, v)
			}
		}
		if schemas.Latest(s.Topic) != s.Versions[len(s.Versions)-1] {
			t.Errorf("Latest(%s) is not the last version", s.Topic)
		}
	}
}

func TestATopicWithoutASchemaHasNoLatest(t *testing.T) {
	t.Parallel()
	if got := schemas.Latest("jml.nothing.v1"); got != "" {
		t.Errorf("Latest = %q", got)
	}
}

func TestTheListOfTopicsIsEmbedded(t *testing.T) {
	t.Parallel()
	if !strings.Contains(string(schemas.TopicsYAML()), "jml.source.record.v1") {
		t.Error("topics.yaml lacks jml.source.record.v1")
	}
}

func TestEveryVersionOfEverySubjectHasAGoldenRecord(t *testing.T) {
	t.Parallel()
	type version struct {
		subject string
		n       int
	}
	have := map[version]bool{}
	for _, g := range schemas.Golden() {
		have[version{g.Subject, g.Version}] = true
	}
	for _, s := range schemas.Subjects() {
		for i := range s.Versions {
			if !have[version{s.Name, i + 1}] {
				t.Errorf("%s v%d has no golden record: run the golden test of pkg/wire with -update", s.Name, i+1)
			}
		}
	}
}

package registry

import (
	"slices"
	"testing"

	"joinery.internal/schemas"
)

func record(fields string) string {
	return `{"type":"record","name":"R","namespace":"n","fields":[` + fields + `]}`
}

// Known pairs, with what the Avro specification says of them: may the new read the old, may the old read the new.
func TestCompatibilityIsWhatTheSpecificationSays(t *testing.T) {
	t.Parallel()
	const id = `{"name":"id","type":"string"}`
	for name, c := range map[string]struct {
		old, next         string
		backward, forward bool
	}{
		"the same":                      {record(id), record(id), true, true},
		"add with default":              {record(id), record(id + `,{"name":"a","type":"long","default":0}`), true, true},
		"add without default":           {record(id), record(id + `,{"name":"a","type":"long"}`), false, true},
		"remove with default":           {record(id + `,{"name":"a","type":"long","default":0}`), record(id), true, true},
		"remove without default":        {record(id + `,{"name":"a","type":"long"}`), record(id), true, false},
		"rename":                        {record(id), record(`{"name":"key","type":"string"}`), false, false},
		"rename with alias":             {record(id), record(`{"name":"key","aliases":["id"],"type":"string"}`), true, false},
		"int to long":                   {record(`{"name":"a","type":"int"}`), record(`{"name":"a","type":"long"}`), true, false},
		"long to double":                {record(`{"name":"a","type":"long"}`), record(`{"name":"a","type":"double"}`), true, false},
		"string to bytes":               {record(`{"name":"a","type":"string"}`), record(`{"name":"a","type":"bytes"}`), true, true},
		"string to long":                {record(`{"name":"a","type":"string"}`), record(`{"name":"a","type":"long"}`), false, false},
		"to nullable":                   {record(id), record(`{"name":"id","type":["null","string"]}`), true, false},
		"branch added":                  {record(`{"name":"a","type":["null","string"]}`), record(`{"name":"a","type":["null","string","long"]}`), true, false},
		"symbol added":                  {record(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A"]}}`), record(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}}`), true, false},
		"symbol added, old has default": {record(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A"],"default":"A"}}`), record(`{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"],"default":"A"}}`), true, true},
		"another record":                {record(id), `{"type":"record","name":"Q","namespace":"n","fields":[` + id + `]}`, false, false},
		"fixed of another size":         {record(`{"name":"f","type":{"type":"fixed","name":"F","size":4}}`), record(`{"name":"f","type":{"type":"fixed","name":"F","size":5}}`), false, false},
		"array items widened":           {record(`{"name":"a","type":{"type":"array","items":"int"}}`), record(`{"name":"a","type":{"type":"array","items":"long"}}`), true, false},
		"map values changed":            {record(`{"name":"a","type":{"type":"map","values":"string"}}`), record(`{"name":"a","type":{"type":"map","values":"boolean"}}`), false, false},
		"reordered":                     {record(id + `,{"name":"a","type":"long"}`), record(`{"name":"a","type":"long"},` + id), true, true},
		"nested record gains a field":   {record(`{"name":"r","type":{"type":"record","name":"In","fields":[]}}`), record(`{"name":"r","type":{"type":"record","name":"In","fields":[{"name":"x","type":"int"}]}}`), false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for level, want := range map[Level]bool{None: true, Backward: c.backward, Forward: c.forward, Full: c.backward && c.forward} {
				faults, err := level.Check(c.next, []older{{1, c.old}})
				if err != nil || len(faults) == 0 != want {
					t.Errorf("%s: want compatible %v, got %v %v", level, want, faults, err)
				}
			}
		})
	}
}

func TestATransitiveLevelLooksPastTheLastVersion(t *testing.T) {
	t.Parallel()
	// v3 takes away a default: it still reads v2, which has the field, and no longer v1, which has not.
	history := []older{{1, record(``)}, {2, record(`{"name":"a","type":"long","default":0}`)}}
	next := record(`{"name":"a","type":"long"}`)
	for level, want := range map[Level]int{
		Backward: 0, BackwardTransitive: 1, Forward: 0, ForwardTransitive: 0, Full: 0, FullTransitive: 1, None: 0,
	} {
		faults, err := level.Check(next, history)
		if err != nil || len(faults) != want {
			t.Errorf("%s: want %d faults, got %q, %v", level, want, faults, err)
		}
	}
}

func TestEventsAreHeldToMoreThanCommands(t *testing.T) {
	t.Parallel()
	for topic, want := range map[string]Level{
		"jml.identity.event.v1": FullTransitive, "jml.identity.fact.v1": FullTransitive, "jml.access.desired.v1": FullTransitive,
		"jml.dlq.v1": FullTransitive, "jml.policy.bundle.v1": FullTransitive,
		"jml.source.record.v1": BackwardTransitive, "jml.access.request.v1": BackwardTransitive, "jml.approval.command.v1": BackwardTransitive,
	} {
		if got := LevelOf(topic); got != want {
			t.Errorf("%s: %s, want %s", topic, got, want)
		}
	}
}

func TestTheEmbeddedSchemasAreCompatible(t *testing.T) {
	t.Parallel()
	for _, p := range CheckAll() {
		t.Error(p)
	}
}

func TestTheOfflineCheckFindsEveryKindOfFault(t *testing.T) {
	t.Parallel()
	ok := record(`{"name":"id","type":"string"}`)
	for name, c := range map[string]struct {
		topic string
		next  string
		want  int
	}{
		"nothing":                       {"jml.x.event.v1", record(`{"name":"id","type":"string"},{"name":"a","type":"int","default":1}`), 0},
		"not Avro":                      {"jml.x.event.v1", `{"type":"record"}`, 1},
		"renamed record":                {"jml.x.event.v1", `{"type":"record","name":"Q","namespace":"n","fields":[{"name":"id","type":"string"}]}`, 3},
		"events may not lose a field":   {"jml.x.event.v1", record(``), 1},
		"commands may lose a field":     {"jml.x.command.v1", record(``), 0},
		"commands may not demand a new": {"jml.x.command.v1", record(`{"name":"id","type":"string"},{"name":"a","type":"int"}`), 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := checkSubject(schemas.Subject{Name: c.topic + "-value", Topic: c.topic, Versions: []string{ok, c.next}})
			if len(got) != c.want || slices.ContainsFunc(got, func(p Problem) bool { return p.Version != 2 }) {
				t.Errorf("want %d, got %v", c.want, got)
			}
		})
	}
}

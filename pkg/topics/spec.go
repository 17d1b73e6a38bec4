package topics

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"joinery.internal/schemas"
)

// Cleanup is what a topic does with old records.
type Cleanup string

const (
	Delete  Cleanup = "delete"  // drops those older than the retention
	Compact Cleanup = "compact" // keeps the newest of each key for ever
)

// Forever is the retention of a topic that never drops by age.
const Forever time.Duration = -1

// Spec is what a topic should be.
type Spec struct {
	Name        string
	Partitions  int32
	Replication int16 // -1: the cluster's default
	Cleanup     Cleanup
	Retention   time.Duration     // Forever, or at least a millisecond
	Key         string            // what the record key is, in words
	Value       string            // full name of the value's record; empty: bytes of the runtime's own
	Writer      []string          // who writes
	Readers     []string          // who reads
	Config      map[string]string // further settings of the topic
}

// Settings are all settings of the topic that Plan compares.
func (s Spec) Settings() map[string]string {
	out := map[string]string{"cleanup.policy": string(s.Cleanup), "retention.ms": "-1"}
	if s.Retention != Forever {
		out["retention.ms"] = strconv.FormatInt(s.Retention.Milliseconds(), 10)
	}
	maps.Copy(out, s.Config)
	return out
}

// Load returns the pipeline's own topics.
func Load() ([]Spec, error) { return Parse(schemas.TopicsYAML()) }

// file is topics.yaml.
type file struct {
	Defaults struct {
		Partitions  int32 `yaml:"partitions"`
		Replication int16 `yaml:"replication"`
	} `yaml:"defaults"`
	Topics []yaml.Node `yaml:"topics"`
}

// entry is one topic of it.
type entry struct {
	Name        string            `yaml:"name"`
	Partitions  int32             `yaml:"partitions"`
	Replication int16             `yaml:"replication"`
	Cleanup     Cleanup           `yaml:"cleanup"`
	Retention   string            `yaml:"retention"`
	Key         string            `yaml:"key"`
	Value       string            `yaml:"value"`
	Writer      []string          `yaml:"writer"`
	Readers     []string          `yaml:"readers"`
	Config      map[string]string `yaml:"config"`
}

// Parse reads a list of topics. It reports every fault, with its line; a key it does not know is one.
func Parse(text []byte) ([]Spec, error) {
	var f file
	if err := decodeStrict(text, &f); err != nil {
		return nil, fmt.Errorf("parse topics: %w", err)
	}
	var (
		specs  []Spec
		faults []error
		seen   = map[string]bool{}
	)
	for _, node := range f.Topics {
		spec, err := f.spec(node)
		if err == nil && seen[spec.Name] {
			err = fmt.Errorf("%s is listed twice", spec.Name)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", node.Line, err))
			continue
		}
		seen[spec.Name] = true
		specs = append(specs, spec)
	}
	if len(f.Topics) == 0 {
		faults = append(faults, errors.New("no topics listed"))
	}
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("parse topics: %w", err)
	}
	return specs, nil
}

func (f *file) spec(node yaml.Node) (Spec, error) {
	text, err := yaml.Marshal(&node)
	if err != nil {
		return Spec{}, err
	}
	e := entry{Partitions: f.Defaults.Partitions, Replication: f.Defaults.Replication}
	if err := decodeStrict(text, &e); err != nil {
		return Spec{}, err
	}
	spec := Spec{
		Name: e.Name, Partitions: e.Partitions, Replication: e.Replication, Cleanup: e.Cleanup, Key: e.Key,
		Value: e.Value, Writer: e.Writer, Readers: e.Readers, Config: e.Config,
	}
	if spec.Retention, err = parseRetention(e.Retention); err != nil {
		return spec, fmt.Errorf("%s: %w", e.Name, err)
	}
	return spec, spec.valid()
}

func parseRetention(text string) (time.Duration, error) {
	if text == "long" {
		return Forever, nil
	}
	d, err := model.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("retention %q is neither a duration such as 30d nor \"long\", which is for ever", text)
	}
	return time.Duration(d), nil
}

// legalName is Kafka's rule for the names of topics.
var legalName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

func (s Spec) valid() error {
	var faults []error
	add := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf("%s: "+format, slices.Concat([]any{s.Name}, args)...))
		}
	}
	add(!legalName.MatchString(s.Name), "the name must be 1 to 249 letters, digits, dots, dashes and underscores")
	add(s.Partitions < 1, "partitions must be at least 1, here or in defaults")
	add(s.Replication < 1 && s.Replication != -1, "replication must be at least 1, or -1 for the cluster's default, here or in defaults")
	add(s.Cleanup != Delete && s.Cleanup != Compact, "cleanup is %q, and must be delete or compact", s.Cleanup)
	add(s.Cleanup == Compact && s.Retention != Forever, "a compacted topic keeps every key: its retention must be long")
	add(s.Cleanup == Delete && s.Value == "", "without a value the topic is the runtime's state, and must be compacted")
	add(s.Key == "", "key is missing: say what the record key is")
	add(len(s.Writer) == 0, "writer is missing")
	for _, k := range []string{"cleanup.policy", "retention.ms"} {
		_, ok := s.Config[k]
		add(ok, "set %s by cleanup and retention, not in config", k)
	}
	return errors.Join(faults...)
}

func decodeStrict(text []byte, into any) error {
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(into); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

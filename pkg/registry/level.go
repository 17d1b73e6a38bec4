package registry

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/avro"
)

// Level says which versions of a subject must be able to read which.
type Level string

const (
	None               Level = "NONE"
	Backward           Level = "BACKWARD" // the new reads what the last wrote; where nothing is configured
	BackwardTransitive Level = "BACKWARD_TRANSITIVE"
	Forward            Level = "FORWARD" // the last reads what the new writes
	ForwardTransitive  Level = "FORWARD_TRANSITIVE"
	Full               Level = "FULL" // both
	FullTransitive     Level = "FULL_TRANSITIVE"
)

var levels = []Level{None, Backward, BackwardTransitive, Forward, ForwardTransitive, Full, FullTransitive}

// ParseLevel reads a level's name.
func ParseLevel(name string) (Level, error) {
	if l := Level(strings.ToUpper(name)); slices.Contains(levels, l) {
		return l, nil
	}
	return "", fmt.Errorf("unknown compatibility level %q: it is one of %v", name, levels)
}

// LevelOf is the level of one of our topics. Both ends of an event live long and are deployed in any order, so each reads the other;
// commands, requests and records are read by newer software than wrote them.
func LevelOf(topic string) Level {
	for _, kind := range []string{".command.", ".request.", ".record."} {
		if strings.Contains(topic, kind) {
			return BackwardTransitive
		}
	}
	return FullTransitive
}

// transitive says whether all earlier versions count, not the last alone.
func (l Level) transitive() bool { return strings.HasSuffix(string(l), "_TRANSITIVE") }

// older is an earlier version of a subject.
type older struct {
	version int
	text    string
}

// Check returns what speaks against next following the earlier versions, oldest first; nothing if it may. It fails on text that is not Avro.
func (l Level) Check(next string, earlier []older) ([]string, error) {
	schema, err := avro.Parse(next)
	if err != nil {
		return nil, err
	}
	if !l.transitive() && len(earlier) > 1 {
		earlier = earlier[len(earlier)-1:]
	}
	var faults []string
	for _, e := range earlier {
		before, err := avro.Parse(e.text)
		if err != nil {
			return nil, fmt.Errorf("version %d: %w", e.version, err)
		}
		faults = append(faults, l.pair(schema, before, e.version)...)
	}
	return faults, nil
}

func (l Level) pair(next, before *avro.Schema, version int) []string {
	var faults []string
	name := strings.TrimSuffix(string(l), "_TRANSITIVE")
	if name == "BACKWARD" || name == "FULL" {
		if err := avro.CheckCompatibility(before, next); err != nil {
			faults = append(faults, fmt.Sprintf("the new schema cannot read what version %d wrote: %v", version, err))
		}
	}
	if name == "FORWARD" || name == "FULL" {
		if err := avro.CheckCompatibility(next, before); err != nil {
			faults = append(faults, fmt.Sprintf("version %d cannot read what the new schema writes: %v", version, err))
		}
	}
	return faults
}

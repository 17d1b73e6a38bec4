package config

import (
	"fmt"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// Map is a mapping with free keys, in the order of the file.
type Map[T any] []Entry[T]

// Entry is one key of a Map and what it holds.
type Entry[T any] struct {
	Key   Text
	Value T
}

// Get returns the value of key.
func (m Map[T]) Get(key string) (T, bool) {
	for _, e := range m {
		if e.Key.Value == key {
			return e.Value, true
		}
	}
	var zero T
	return zero, false
}

// All ranges over keys and values in the order of the file.
func (m Map[T]) All() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		for _, e := range m {
			if !yield(e.Key.Value, e.Value) {
				return
			}
		}
	}
}

func (Map[T]) freeKeys() {}

type freeKeyed interface{ freeKeys() }

// checked is a struct with a rule between its keys; n is its node.
type checked interface {
	check(d *decoder, n *yaml.Node)
}

// custom is a type that is not described by its fields.
type custom interface {
	decode(d *decoder, n *yaml.Node, path string)
	schema() *Schema
}

// decoder turns the nodes of one file into typed values and collects every fault.
type decoder struct {
	file   string
	dir    string // what relative secret paths are relative to
	source source
	faults Faults
}

func (d *decoder) pos(n *yaml.Node) Pos { return Pos{d.file, n.Line, n.Column} }

func (d *decoder) fault(n *yaml.Node, format string, args ...any) {
	d.faults = append(d.faults, FaultAt(d.pos(n), format, args...))
}

// refused reports what no value of ours may be: anchors, aliases and tags hide where a value stands.
func (d *decoder) refused(n *yaml.Node, path string) bool {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		d.fault(n, "%s uses a YAML anchor or alias; write the value out", path)
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(n, "%s uses the YAML tag %s; write the plain value", path, n.Tag)
	default:
		return false
	}
	return true
}

// value decodes n into v. The path names the value in messages; tag is the tag of the field that holds it.
func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if d.refused(n, path) {
		return
	}
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		d.value(n, v.Elem(), path, tag)
		return
	}
	switch t := v.Addr().Interface().(type) {
	case custom:
		t.decode(d, n, path)
	case scalar:
		d.scalar(n, v, t, path, tag)
	case freeKeyed:
		d.entries(n, v, path, tag)
	default:
		switch v.Kind() {
		case reflect.Struct:
			d.fields(n, v, path)
		case reflect.Slice:
			d.items(n, v, path, tag)
		default:
			d.plain(n, v, path, tag)
		}
	}
}

// empty reports whether n holds nothing; an empty mapping may be written as nothing at all.
func empty(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func describe(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "a mapping"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case empty(n):
		return "nothing"
	}
	return strconv.Quote(n.Value)
}

// mapping ranges over the keys of n after checking that they are plain words, each set once.
func (d *decoder) mapping(n *yaml.Node, path string) iter.Seq2[*yaml.Node, *yaml.Node] {
	return func(yield func(key, value *yaml.Node) bool) {
		if empty(n) {
			return
		}
		if n.Kind != yaml.MappingNode {
			d.fault(n, "%s must be a mapping, not %s", path, describe(n))
			return
		}
		seen := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if d.refused(key, "a key of "+path) {
				continue
			}
			if key.Kind != yaml.ScalarNode || key.ShortTag() == "!!merge" || empty(key) {
				d.fault(key, "%s has a key that is not a plain word", path)
				continue
			}
			if line, twice := seen[key.Value]; twice {
				d.fault(key, "%s is already set in line %d", join(path, key.Value), line)
				continue
			}
			seen[key.Value] = key.Line
			if !yield(key, n.Content[i+1]) {
				return
			}
		}
	}
}

func join(path, key string) string {
	if path == document {
		return key
	}
	return path + "." + key
}

// fields decodes a mapping with known keys into a struct.
func (d *decoder) fields(n *yaml.Node, v reflect.Value, path string) {
	setDefaults(d, v)
	fields := fieldsOf(v.Type())
	got := map[string]bool{}
	for key, value := range d.mapping(n, path) {
		f, known := fields[key.Value]
		if !known {
			d.fault(key, "unknown key %q in %s%s", key.Value, path, DidYouMean(key.Value, keysOf(v.Type())))
			continue
		}
		got[key.Value] = true
		d.value(value, v.FieldByIndex(f.Index), join(path, key.Value), f.Tag)
	}
	for _, name := range keysOf(v.Type()) {
		if tag := fields[name].Tag; tag.Get("is") == "required" && !got[name] && (n.Kind == yaml.MappingNode || empty(n)) {
			d.fault(n, "%s lacks the key %q%s", path, name, oneOf(": ", tag))
		}
	}
	if c, ok := v.Addr().Interface().(checked); ok && (n.Kind == yaml.MappingNode || empty(n)) {
		c.check(d, n)
	}
}

// entries decodes a mapping with free keys into a Map.
func (d *decoder) entries(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	for key, value := range d.mapping(n, path) {
		if tag.Get("keys") == "name" && !namePattern.MatchString(key.Value) {
			d.fault(key, "%s has the key %q, which must be a name: %s", path, key.Value, nameRule)
		}
		entry := reflect.New(v.Type().Elem()).Elem()
		entry.FieldByName("Key").Set(reflect.ValueOf(Text{key.Value, d.pos(key)}))
		d.value(value, entry.FieldByName("Value"), join(path, key.Value), "")
		v.Set(reflect.Append(v, entry))
	}
}

func (d *decoder) items(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if n.Kind != yaml.SequenceNode {
		d.fault(n, "%s must be a list, not %s", path, describe(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i), tag)
	}
	if len(n.Content) == 0 && tag.Get("is") == "required" {
		d.fault(n, "%s is an empty list", path)
	}
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, t scalar, path string, tag reflect.StructTag) {
	_, isExpr := t.(*Expr)
	_, isSecret := t.(*Secret)
	if n.Kind != yaml.ScalarNode || empty(n) || (!isExpr && !isSecret && !isString(n)) {
		d.fault(n, "%s must be %s, not %s%s", path, wanted(t), describe(n), quoteIt(n))
		return
	}
	if expected := t.set(d, n); expected != "" {
		shown := ", not " + describe(n)
		if isSecret {
			shown = "" // what stands there may be a secret
		}
		d.fault(n, "%s must be %s%s", path, expected, shown)
		return
	}
	d.limits(n, path, tag)
}

func wanted(t scalar) string {
	if _, ok := t.(*Expr); ok {
		return "a CEL expression"
	}
	return "a string"
}

// isString accepts dates too: YAML calls an unquoted 2026-03-02 a timestamp, people call it text.
func isString(n *yaml.Node) bool { return n.ShortTag() == "!!str" || n.ShortTag() == "!!timestamp" }

func quoteIt(n *yaml.Node) string {
	if n.Kind == yaml.ScalarNode && !empty(n) {
		return "; put it in quotes"
	}
	return ""
}

var durationType = reflect.TypeFor[time.Duration]()

// plain decodes the types of Go.
func (d *decoder) plain(n *yaml.Node, v reflect.Value, path string, tag reflect.StructTag) {
	if n.Kind != yaml.ScalarNode || empty(n) {
		d.fault(n, "%s must be %s, not %s", path, kindName(v.Type()), describe(n))
		return
	}
	if !d.set(n, v) {
		hint := ""
		if v.Kind() == reflect.String {
			hint = quoteIt(n)
		}
		d.fault(n, "%s must be %s, not %s%s", path, kindName(v.Type()), describe(n), hint)
		return
	}
	d.limits(n, path, tag)
}

func kindName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 14d, 36h or 0s"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.Int:
		return "a whole number"
	case t.Kind() == reflect.Float64:
		return "a number"
	}
	return "a string"
}

func (d *decoder) set(n *yaml.Node, v reflect.Value) bool {
	switch {
	case v.Type() == durationType:
		dur, err := model.ParseDuration(n.Value)
		v.SetInt(int64(dur))
		return err == nil
	case v.Kind() == reflect.Bool:
		v.SetBool(n.Value == "true")
		return n.ShortTag() == "!!bool"
	case v.Kind() == reflect.Int:
		i, err := strconv.ParseInt(n.Value, 10, 32)
		v.SetInt(i)
		return err == nil && n.ShortTag() == "!!int"
	case v.Kind() == reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		v.SetFloat(f)
		return err == nil && (n.ShortTag() == "!!int" || n.ShortTag() == "!!float")
	}
	v.SetString(n.Value)
	return isString(n)
}

// limits checks a scalar against the enum, like, min and max of its field.
func (d *decoder) limits(n *yaml.Node, path string, tag reflect.StructTag) {
	if enum := strings.Fields(tag.Get("enum")); len(enum) > 0 && !slices.Contains(enum, n.Value) {
		d.fault(n, "%s must be %s, not %q", path, oneOf("", tag), n.Value)
	}
	if tag.Get("like") == "name" && !namePattern.MatchString(n.Value) {
		d.fault(n, "%s must be a name, not %q: %s", path, n.Value, nameRule)
	}
	number, err := strconv.ParseFloat(n.Value, 64)
	if err != nil {
		return
	}
	if low, err := strconv.ParseFloat(tag.Get("min"), 64); err == nil && number < low {
		d.fault(n, "%s must be at least %s, not %s", path, tag.Get("min"), n.Value)
	}
	if high, err := strconv.ParseFloat(tag.Get("max"), 64); err == nil && number > high {
		d.fault(n, "%s must be at most %s, not %s", path, tag.Get("max"), n.Value)
	}
}

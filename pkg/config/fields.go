package config

import (
	"reflect"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// document is the path of a whole document in messages.
const document = "the document"

const nameRule = "letters, digits, dots, dashes and underscores, at most 63, beginning and ending with a letter or digit"

// namePattern is what names may look like: they become parts of keys, grants and addresses.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// fieldsOf returns the fields of a struct by key.
func fieldsOf(t reflect.Type) map[string]reflect.StructField {
	fields := make(map[string]reflect.StructField, t.NumField())
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("key"); key != "" {
			fields[key] = f
		}
	}
	return fields
}

// keysOf returns the keys of a struct in the order of its fields.
func keysOf(t reflect.Type) []string {
	var keys []string
	for _, f := range reflect.VisibleFields(t) {
		if key := f.Tag.Get("key"); key != "" {
			keys = append(keys, key)
		}
	}
	return keys
}

// setDefaults fills what the file need not say. Pointers stay nil: absent is a meaning of its own.
func setDefaults(d *decoder, v reflect.Value) {
	for _, f := range fieldsOf(v.Type()) {
		field := v.FieldByIndex(f.Index)
		word := f.Tag.Get("default")
		if field.Kind() == reflect.Struct && len(keysOf(field.Type())) > 0 {
			setDefaults(d, field)
		}
		if word == "" {
			continue
		}
		n := &yaml.Node{Kind: yaml.ScalarNode, Value: word}
		if s, ok := field.Addr().Interface().(scalar); ok {
			if expected := s.set(d, n); expected != "" {
				panic("config: default of " + f.Name + " must be " + expected)
			}
			continue
		}
		if !d.set(n, field) {
			panic("config: default of " + f.Name + " is not valid: " + word)
		}
	}
}

// oneOf lists the values an enumeration allows.
func oneOf(prefix string, tag reflect.StructTag) string {
	words := strings.Fields(tag.Get("enum"))
	switch len(words) {
	case 0:
		return ""
	case 1:
		return prefix + words[0]
	}
	last := len(words) - 1
	return prefix + strings.Join(words[:last], ", ") + " or " + words[last]
}

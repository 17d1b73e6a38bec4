package config

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// Schema is the part of JSON Schema 2020-12 that the format needs.
type Schema struct {
	Dialect              string             `json:"$schema,omitempty"`
	Title                string             `json:"title,omitempty"`
	Description          string             `json:"description,omitempty"`
	Type                 any                `json:"type,omitempty"` // one name or several
	Const                string             `json:"const,omitempty"`
	Enum                 []string           `json:"enum,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Default              string             `json:"default,omitempty"`
	Minimum              *float64           `json:"minimum,omitempty"`
	Maximum              *float64           `json:"maximum,omitempty"`
	MinProperties        int                `json:"minProperties,omitempty"`
	MaxProperties        int                `json:"maxProperties,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	PropertyNames        *Schema            `json:"propertyNames,omitempty"`
	Required             []string           `json:"required,omitempty"`
	AdditionalProperties *Schema            `json:"additionalProperties,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	Not                  *Schema            `json:"not,omitempty"` // of the empty schema: nothing is allowed
}

var kinds = map[string]reflect.Type{
	"Settings": reflect.TypeFor[Settings](),
	"Source":   reflect.TypeFor[Source](),
	"Target":   reflect.TypeFor[Target](),
	"Policy":   reflect.TypeFor[Policy](),
}

// JSONSchema returns the JSON Schema of documents of a kind, for editors.
func JSONSchema(kind string) ([]byte, error) {
	t, ok := kinds[kind]
	if !ok {
		return nil, fmt.Errorf("make JSON Schema: unknown kind %q; known: Settings, Source, Target, Policy", kind)
	}
	s := schemaOf(reflect.TypeFor[header](), "")
	s.Dialect, s.Title = "https://json-schema.org/draft/2020-12/schema", "Joinery "+kind
	s.Properties["kind"] = &Schema{Const: kind}
	s.Properties["spec"] = schemaOf(t, "")
	if kind == "Source" || kind == "Target" {
		s.Required = append(s.Required, "spec")
	}
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("make JSON Schema of %s: %w", kind, err)
	}
	return append(data, '\n'), nil
}

func schemaOf(t reflect.Type, tag reflect.StructTag) *Schema {
	if t.Kind() == reflect.Pointer {
		return schemaOf(t.Elem(), tag)
	}
	s := shapeOf(t, tag)
	if doc := tag.Get("doc"); doc != "" {
		s.Description = doc
	}
	s.Default = tag.Get("default")
	return s
}

func shapeOf(t reflect.Type, tag reflect.StructTag) *Schema {
	switch v := reflect.New(t).Interface().(type) {
	case custom:
		return v.schema()
	case scalar:
		return limited(v.schema(), tag)
	case freeKeyed:
		entry, _ := t.Elem().FieldByName("Value")
		s := &Schema{Type: "object", AdditionalProperties: schemaOf(entry.Type, "")}
		if tag.Get("keys") == "name" {
			s.PropertyNames = &Schema{Pattern: namePattern.String()}
		}
		return s
	}
	switch {
	case t.Kind() == reflect.Struct:
		return objectOf(t)
	case t.Kind() == reflect.Slice:
		return &Schema{Type: "array", Items: limited(shapeOf(t.Elem(), ""), tag)}
	case t == reflect.TypeFor[time.Duration]():
		return &Schema{Type: "string", Pattern: `^(0|([0-9]+(y|w|d|h|m|s|ms))+)$`}
	case t.Kind() == reflect.Bool:
		return &Schema{Type: "boolean"}
	case t.Kind() == reflect.Int:
		return limited(&Schema{Type: "integer"}, tag)
	case t.Kind() == reflect.Float64:
		return limited(&Schema{Type: "number"}, tag)
	}
	return limited(&Schema{Type: "string"}, tag)
}

func objectOf(t reflect.Type) *Schema {
	s := &Schema{Type: "object", Properties: map[string]*Schema{}, AdditionalProperties: &Schema{Not: &Schema{}}}
	fields := fieldsOf(t)
	for _, key := range keysOf(t) {
		f := fields[key]
		s.Properties[key] = schemaOf(f.Type, f.Tag)
		if f.Tag.Get("is") == "required" {
			s.Required = append(s.Required, key)
		}
	}
	if t == reflect.TypeFor[Intake]() {
		s.MinProperties, s.MaxProperties = 1, 1
	}
	return s
}

func limited(s *Schema, tag reflect.StructTag) *Schema {
	s.Enum = strings.Fields(tag.Get("enum"))
	if tag.Get("like") == "name" {
		s.Pattern = namePattern.String()
	}
	if low, err := strconv.ParseFloat(tag.Get("min"), 64); err == nil {
		s.Minimum = &low
	}
	if high, err := strconv.ParseFloat(tag.Get("max"), 64); err == nil {
		s.Maximum = &high
	}
	return s
}

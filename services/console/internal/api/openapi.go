package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// document is an OpenAPI 3.1 description. Only what this API uses is there.
type document struct {
	OpenAPI    string                       `json:"openapi"`
	Info       info                         `json:"info"`
	Servers    []server                     `json:"servers"`
	Paths      map[string]map[string]action `json:"paths"` // path -> lower-case method
	Components components                   `json:"components"`
}

type info struct {
	Title       string `json:"title"`
	Version     string `json:"version"`
	Description string `json:"description"`
}

type server struct {
	URL string `json:"url"`
}

type action struct {
	OperationID string              `json:"operationId"`
	Summary     string              `json:"summary"`
	Parameters  []argument          `json:"parameters,omitempty"`
	RequestBody *content            `json:"requestBody,omitempty"`
	Responses   map[string]response `json:"responses"`
}

type argument struct {
	Name        string  `json:"name"`
	In          string  `json:"in"`
	Description string  `json:"description,omitempty"`
	Required    bool    `json:"required"`
	Schema      *schema `json:"schema"`
}

type content struct {
	Required bool                 `json:"required"`
	Content  map[string]mediaType `json:"content"`
}

type response struct {
	Description string               `json:"description"`
	Content     map[string]mediaType `json:"content"`
}

type mediaType struct {
	Schema *schema `json:"schema"`
}

type components struct {
	Schemas map[string]*schema `json:"schemas"`
}

// schema is a JSON Schema. Its zero value is any JSON.
type schema struct {
	Ref         string             `json:"$ref,omitempty"`
	Type        any                `json:"type,omitempty"` // a name, or several
	Format      string             `json:"format,omitempty"`
	Description string             `json:"description,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	Additional  *schema            `json:"additionalProperties,omitempty"`
}

var pathParameter = regexp.MustCompile(`\{(\w+)\}`)

var jsonLines = map[string]mediaType{linesContent: {&schema{Type: "string", Description: "one JSON object a line"}}}

func answerOf(op operation, schemas map[string]*schema) map[string]mediaType {
	if op.Reply == nil {
		return jsonLines
	}
	return map[string]mediaType{jsonContent: {schemaOf(reflect.TypeOf(op.Reply), schemas)}}
}

// describe generates the description from the operations and the types they take and give.
func describe(operations []operation) document {
	doc := document{OpenAPI: "3.1.0", Servers: []server{{Prefix}}, Paths: map[string]map[string]action{},
		Info:       info{"Joinery console", "v1", "People, cases, approvals, targets and evidence of one pipeline. A person is named by identity id or employee number. GET changes nothing."},
		Components: components{map[string]*schema{}}}
	schemas := doc.Components.Schemas
	fault := response{"a fault (RFC 9457)", map[string]mediaType{"application/problem+json": {schemaOf(reflect.TypeFor[Problem](), schemas)}}}
	for _, op := range operations {
		a := action{OperationID: operationID(op), Summary: op.Summary, Responses: map[string]response{"default": fault,
			strconv.Itoa(http.StatusOK): {"done", answerOf(op, schemas)}}}
		for _, m := range pathParameter.FindAllStringSubmatch(op.Path, -1) {
			a.Parameters = append(a.Parameters, argument{Name: m[1], In: "path", Required: true, Schema: &schema{Type: "string"}})
		}
		for _, p := range op.Query {
			a.Parameters = append(a.Parameters, argument{Name: p.Name, In: "query", Description: p.Doc, Schema: &schema{Type: "string"}})
		}
		switch {
		case op.Lines:
			a.RequestBody = &content{true, jsonLines}
		case op.Body != nil:
			a.RequestBody = &content{true, map[string]mediaType{jsonContent: {schemaOf(reflect.TypeOf(op.Body), schemas)}}}
		}
		if doc.Paths[op.Path] == nil {
			doc.Paths[op.Path] = map[string]action{}
		}
		doc.Paths[op.Path][strings.ToLower(op.Method)] = a
	}
	return doc
}

func operationID(op operation) string {
	words := strings.FieldsFunc(op.Path, func(r rune) bool { return strings.ContainsRune("/{}", r) })
	return strings.ToLower(op.Method) + "-" + strings.Join(words, "-")
}

var (
	timeType = reflect.TypeFor[time.Time]()
	rawType  = reflect.TypeFor[json.RawMessage]()
)

// schemaOf describes a type; structs become components, named once.
func schemaOf(t reflect.Type, named map[string]*schema) *schema {
	switch t {
	case timeType:
		return &schema{Type: "string", Format: "date-time"}
	case rawType:
		return &schema{}
	}
	switch t.Kind() {
	case reflect.Pointer:
		s := *schemaOf(t.Elem(), named)
		if name, ok := s.Type.(string); ok {
			s.Type = []string{name, "null"}
		}
		return &s
	case reflect.Struct:
		return structSchema(t, named)
	case reflect.Slice:
		return &schema{Type: "array", Items: schemaOf(t.Elem(), named)}
	case reflect.Map:
		return &schema{Type: "object", Additional: schemaOf(t.Elem(), named)}
	case reflect.Bool:
		return &schema{Type: "boolean"}
	case reflect.Float64:
		return &schema{Type: "number"}
	case reflect.Int, reflect.Int32, reflect.Int64, reflect.Uint16, reflect.Uint64:
		return &schema{Type: "integer"}
	}
	return &schema{Type: "string"}
}

func structSchema(t reflect.Type, named map[string]*schema) *schema {
	name := componentName(t)
	ref := &schema{Ref: "#/components/schemas/" + name}
	if _, done := named[name]; done {
		return ref
	}
	s := &schema{Type: "object", Properties: map[string]*schema{}}
	named[name] = s
	for _, f := range reflect.VisibleFields(t) {
		tag, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if tag == "" || tag == "-" {
			continue // an embedded struct: its fields are visible ones
		}
		field := *schemaOf(f.Type, named)
		field.Description = f.Tag.Get("doc")
		s.Properties[tag] = &field
		if options == "" {
			s.Required = append(s.Required, tag)
		}
	}
	return ref
}

// componentName is a type's name; of a list of T it is TList.
func componentName(t reflect.Type) string {
	name := t.Name()
	if base, of, generic := strings.Cut(name, "["); generic {
		of = strings.TrimSuffix(of[strings.LastIndex(of, ".")+1:], "]")
		name = of + strings.ToUpper(base[:1]) + base[1:]
	}
	return name
}

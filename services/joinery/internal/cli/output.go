package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"go.yaml.in/yaml/v3"
)

var formats = []string{"table", "json", "ndjson", "yaml"}

// column is one column of a table: a heading, and where in an item its value is (`person.name`).
type column struct {
	head string
	path string
}

// columns reads "ID=id NAME=person.name".
func columns(spec string) []column {
	var out []column
	for _, word := range strings.Fields(spec) {
		head, path, _ := strings.Cut(word, "=")
		out = append(out, column{strings.ReplaceAll(head, "_", " "), path})
	}
	return out
}

// show writes a list. In JSON it is one array of objects, as they came.
func (t *tool) show(items []json.RawMessage, cols []column) error {
	switch t.output {
	case "json":
		if items == nil {
			items = []json.RawMessage{}
		}
		return t.json(items)
	case "ndjson":
		return t.lines(items)
	case "yaml":
		all, err := json.Marshal(items)
		if err != nil {
			return fmt.Errorf("write list: %w", err)
		}
		return t.yaml(all)
	}
	w := tabwriter.NewWriter(t.out, 0, 4, 2, ' ', 0)
	heads := make([]string, len(cols))
	for i, c := range cols {
		heads[i] = c.head
	}
	fmt.Fprintln(w, strings.Join(heads, "\t"))
	for _, item := range items {
		doc, err := parse(item)
		if err != nil {
			return err
		}
		cells := make([]string, len(cols))
		for i, c := range cols {
			cells[i] = cell(lookUp(doc, c.path))
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	return w.Flush()
}

// showOne writes one object; in a table it is a line per field.
func (t *tool) showOne(object json.RawMessage, cols []column) error {
	switch t.output {
	case "json":
		return t.json(object)
	case "ndjson":
		return t.lines([]json.RawMessage{object})
	case "yaml":
		return t.yaml(object)
	}
	doc, err := parse(object)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(t.out, 0, 4, 2, ' ', 0)
	for _, c := range cols {
		fmt.Fprintf(w, "%s\t%s\n", c.head, cell(lookUp(doc, c.path)))
	}
	return w.Flush()
}

// showWith writes a list below an object: in a table the list follows, in the other formats it is part of the object.
func (t *tool) showWith(object json.RawMessage, cols []column, items string, itemCols []column) error {
	if err := t.showOne(object, cols); err != nil || t.output != "table" {
		return err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(object, &fields); err != nil {
		return fmt.Errorf("read the pipeline's answer: %w", err)
	}
	var list []json.RawMessage
	if err := json.Unmarshal(fields[items], &list); err != nil {
		return fmt.Errorf("read %s of the pipeline's answer: %w", items, err)
	}
	if len(list) == 0 {
		return nil
	}
	fmt.Fprintln(t.out)
	return t.show(list, itemCols)
}

func (t *tool) json(v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err := t.out.Write(b.Bytes())
	return err
}

func (t *tool) lines(items []json.RawMessage) error {
	var b bytes.Buffer
	for _, item := range items {
		if err := json.Compact(&b, item); err != nil {
			return fmt.Errorf("write JSON lines: %w", err)
		}
		b.WriteByte('\n')
	}
	_, err := t.out.Write(b.Bytes())
	return err
}

func (t *tool) yaml(doc json.RawMessage) error {
	node, err := parse(doc)
	if err != nil {
		return err
	}
	enc := yaml.NewEncoder(t.out)
	enc.SetIndent(2)
	if err := enc.Encode(node); err != nil {
		return fmt.Errorf("write YAML: %w", err)
	}
	return enc.Close()
}

// parse reads JSON into a tree that keeps the order of fields.
func parse(doc json.RawMessage) (*yaml.Node, error) {
	dec := json.NewDecoder(bytes.NewReader(doc))
	dec.UseNumber()
	node, err := value(dec)
	if err != nil {
		return nil, fmt.Errorf("read the pipeline's answer: %w", err)
	}
	return node, nil
}

func value(dec *json.Decoder) (*yaml.Node, error) {
	token, err := dec.Token()
	if err != nil {
		return nil, err
	}
	delim, nested := token.(json.Delim)
	if !nested {
		node := &yaml.Node{}
		switch v := token.(type) {
		case json.Number:
			tag := "!!int"
			if strings.ContainsAny(v.String(), ".eE") {
				tag = "!!float"
			}
			node.Kind, node.Tag, node.Value = yaml.ScalarNode, tag, v.String()
			return node, nil
		case string:
			node.SetString(v)
			return node, nil
		}
		return node, node.Encode(token)
	}
	node := &yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq"}
	if delim == '{' {
		node.Kind, node.Tag = yaml.MappingNode, "!!map"
	}
	for dec.More() {
		child, err := value(dec) // of an object: key and value in turn
		if err != nil {
			return nil, err
		}
		node.Content = append(node.Content, child)
	}
	if _, err := dec.Token(); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if len(node.Content) == 0 {
		node.Style = yaml.FlowStyle
	}
	return node, nil
}

// lookUp follows a dotted path; nil when it leads nowhere. An empty path is the node itself.
func lookUp(node *yaml.Node, path string) *yaml.Node {
	if path == "" {
		return node
	}
	name, rest, _ := strings.Cut(path, ".")
	if node.Kind == yaml.MappingNode {
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == name {
				return lookUp(node.Content[i+1], rest)
			}
		}
	}
	return nil
}

// cell is a value in a table: on one line, and a dash for nothing.
func cell(node *yaml.Node) string {
	if node == nil || node.Tag == "!!null" {
		return "-"
	}
	switch node.Kind {
	case yaml.SequenceNode:
		parts := make([]string, len(node.Content))
		for i, n := range node.Content {
			parts[i] = cell(n)
		}
		if len(parts) == 0 {
			return "-"
		}
		return strings.Join(parts, ",")
	case yaml.MappingNode:
		if name := lookUp(node, "name"); name != nil && lookUp(node, "id") != nil { // an id with a name for people
			return cell(name)
		}
		parts := make([]string, 0, len(node.Content)/2)
		for i := 0; i+1 < len(node.Content); i += 2 {
			parts = append(parts, node.Content[i].Value+"="+cell(node.Content[i+1]))
		}
		return strings.Join(parts, " ")
	}
	text := strings.Join(strings.Fields(node.Value), " ")
	if text == "" {
		return "-"
	}
	return text
}

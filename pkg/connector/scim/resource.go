package scim

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/unicode/norm"

	"joinery.internal/pkg/connector"
)

// resource is a SCIM resource as JSON. It stays untyped because it is another system's: a PUT must send back the
// attributes we know nothing of.
type resource map[string]any

// defaultElement is the type an element of a multi-valued attribute is taken to have when the target gave it none.
const defaultElement = "work"

func (r resource) text(key string) string {
	s, _ := scalar(r[key])
	return s
}

// enabled reads `active`: missing is true, and some targets send it as a string.
func (r resource) enabled() bool {
	switch v := r["active"].(type) {
	case bool:
		return v
	case string:
		return !strings.EqualFold(v, "false")
	default:
		return true
	}
}

func (r resource) version() string {
	if meta, ok := r["meta"].(map[string]any); ok {
		return resource(meta).text("version")
	}
	return ""
}

// attributes returns every value that a target file can name.
func (r resource) attributes() map[string]string {
	out := map[string]string{}
	for key, value := range r {
		if strings.HasPrefix(key, "urn:") {
			extension, ok := value.(map[string]any)
			if !ok {
				continue
			}
			for attr, v := range extension {
				collect(out, path{schema: key, attr: attr}, v)
			}
			continue
		}
		if !slices.Contains(reserved, key) {
			collect(out, path{attr: key}, value)
		}
	}
	return out
}

func collect(out map[string]string, p path, value any) {
	if s, ok := scalar(value); ok {
		if p.schema == enterpriseSchema && p.attr == "manager" { // some targets flatten it
			p.sub = "value"
		}
		put(out, p, s)
		return
	}
	switch v := value.(type) {
	case map[string]any:
		for sub, x := range v {
			if s, ok := scalar(x); ok {
				put(out, path{schema: p.schema, attr: p.attr, sub: sub}, s)
			}
		}
	case []any:
		for _, e := range v {
			collectElement(out, p, e)
		}
	}
}

func collectElement(out map[string]string, p path, e any) {
	element, ok := e.(map[string]any)
	if !ok {
		return
	}
	kind := resource(element).text("type")
	if kind == "" {
		kind = defaultElement
	}
	for sub, x := range element {
		if s, ok := scalar(x); ok && sub != "type" && sub != "primary" && sub != "display" && sub != "formatted" {
			put(out, path{schema: p.schema, attr: p.attr, element: kind, sub: sub}, s)
		}
	}
}

// put keeps the first of several elements of one type.
func put(out map[string]string, p path, s string) {
	name := p.name()
	if s = canonical(p, s); s == "" {
		return
	}
	if _, there := out[name]; !there {
		out[name] = s
	}
}

// canonical is the form in which values are compared: Unicode composed, no blanks around, e-mail in lower case.
func canonical(p path, s string) string {
	s = norm.NFC.String(strings.TrimSpace(s))
	if p.attr == "emails" && p.schema == "" {
		s = strings.ToLower(s)
	}
	return s
}

// scalar turns a JSON string, number or truth value into text.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case json.Number:
		return v.String(), true
	default:
		return "", false
	}
}

// set puts a value into the resource; "" removes it.
func (r resource) set(p path, value string) {
	holder := r
	if p.schema != "" {
		extension, _ := r[p.schema].(map[string]any)
		if extension == nil {
			extension = map[string]any{}
			r[p.schema] = extension
			r.addSchema(p.schema)
		}
		holder = extension
	}
	switch {
	case p.element != "":
		holder.setElement(p, value)
	case p.sub != "":
		complexValue, _ := holder[p.attr].(map[string]any)
		if complexValue == nil {
			complexValue = map[string]any{}
			holder[p.attr] = complexValue
		}
		setScalar(complexValue, p.sub, value)
	default:
		setScalar(holder, p.attr, value)
	}
}

func setScalar(in map[string]any, key, value string) {
	if value == "" {
		delete(in, key)
		return
	}
	in[key] = value
}

func (r resource) setElement(p path, value string) {
	elements, _ := r[p.attr].([]any)
	at := elementAt(elements, p.element)
	switch {
	case at < 0 && value == "":
		return
	case at < 0:
		r[p.attr] = append(elements, newElement(p, value, len(elements) == 0))
	case value == "" && p.sub == "value":
		r[p.attr] = slices.Delete(elements, at, at+1)
	default:
		setScalar(elements[at].(map[string]any), p.sub, value)
	}
}

// newElement makes an element; the first one of its attribute is the primary.
func newElement(p path, value string, primary bool) map[string]any {
	element := map[string]any{"type": p.element, p.sub: value}
	if primary {
		element["primary"] = true
	}
	return element
}

// elementAt returns the index of the object of that type, -1 if there is none.
func elementAt(elements []any, kind string) int {
	return slices.IndexFunc(elements, func(e any) bool {
		element, ok := e.(map[string]any)
		if !ok {
			return false
		}
		has := resource(element).text("type")
		return has == kind || has == "" && kind == defaultElement
	})
}

func (r resource) addSchema(urn string) {
	schemas, _ := r["schemas"].([]any)
	if !slices.Contains(schemas, any(urn)) {
		r["schemas"] = append(schemas, urn)
	}
}

// newUser builds the body of a create.
func newUser(want connector.Object, withExternalID bool) (resource, error) {
	r := resource{"schemas": []any{userSchema}, "userName": want.Account, "active": want.Enabled}
	if withExternalID && want.ExternalID != "" {
		r["externalId"] = want.ExternalID
	}
	for _, name := range slices.Sorted(maps.Keys(want.Attributes)) {
		p, err := parsePath(name)
		if err != nil {
			return nil, err
		}
		r.set(p, want.Attributes[name])
	}
	return r, nil
}

// operation is one entry of a PATCH.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path,omitempty"`
	Value any    `json:"value,omitempty"`
}

// update is what turns the user r into want: as PATCH operations, and made in r itself, for PUT.
func (r resource) update(want connector.Object) ([]operation, error) {
	var ops []operation
	now := r.attributes()
	for _, name := range slices.Sorted(maps.Keys(want.Attributes)) {
		p, err := parsePath(name)
		if err != nil {
			return nil, err
		}
		value := canonical(p, want.Attributes[name])
		if now[p.name()] == value {
			continue
		}
		ops = append(ops, r.operation(p, value))
		r.set(p, value)
	}
	if want.Account != "" && want.Account != r.text("userName") {
		ops = append(ops, operation{"replace", "userName", want.Account})
		r["userName"] = want.Account
	}
	if want.ExternalID != "" && want.ExternalID != r.text("externalId") {
		ops = append(ops, operation{"replace", "externalId", want.ExternalID})
		r["externalId"] = want.ExternalID
	}
	return ops, nil
}

// operation is the PATCH for one attribute. An element that is not there yet must be added whole: a filter in a path
// that matches nothing is an error (RFC 7644, 3.5.2.3).
func (r resource) operation(p path, value string) operation {
	if value == "" {
		remove := p
		if p.element != "" && p.sub == "value" {
			remove.sub = ""
		}
		return operation{Op: "remove", Path: remove.wire()}
	}
	if p.element == "" {
		return r.singleOperation(p, value)
	}
	elements, _ := r[p.attr].([]any)
	at := elementAt(elements, p.element)
	if at < 0 {
		return operation{"add", p.attr, []any{newElement(p, value, len(elements) == 0)}}
	}
	if element, ok := elements[at].(map[string]any); ok && resource(element).text("type") == "" {
		// It has no type to filter by: send the attribute whole.
		changed := maps.Clone(element)
		changed[p.sub] = value
		whole := slices.Clone(elements)
		whole[at] = changed
		return operation{"replace", p.attr, whole}
	}
	return operation{"replace", p.wire(), value}
}

// singleOperation sets a value that is there once. What is missing is added: services differ in whether they let it be
// replaced. A part of an extension's complex attribute goes with the whole, since not all can address it.
func (r resource) singleOperation(p path, value string) operation {
	op := "add"
	if r.attributes()[p.name()] != "" {
		op = "replace"
	}
	if p.schema != "" && p.sub != "" {
		whole := path{schema: p.schema, attr: p.attr}
		return operation{op, whole.wire(), resource{p.sub: value}}
	}
	return operation{op, p.wire(), value}
}

// decode reads JSON, numbers kept as written: ids may be numbers.
func decode(body []byte, into any) error {
	dec := json.NewDecoder(strings.NewReader(string(body)))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil {
		return fmt.Errorf("the answer is not the JSON it should be: %w", err)
	}
	return nil
}

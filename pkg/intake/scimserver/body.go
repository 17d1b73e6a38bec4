package scimserver

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/scimserver/filter"
	"joinery.internal/pkg/intake/scimserver/resource"
)

// naming is what a resource is looked up by.
type naming struct{ unique, external string }

// namesIn reads the names in a kept body. Bodies are in canonical form.
func namesIn(body, kind string) naming {
	var names struct{ UserName, DisplayName, ExternalID string }
	if err := json.Unmarshal([]byte(body), &names); err != nil {
		return naming{}
	}
	if kind == resource.Group.Name {
		return naming{names.DisplayName, names.ExternalID}
	}
	return naming{names.UserName, names.ExternalID}
}

// bodyOf is what is kept of a resource.
func bodyOf(o resource.Object) (string, error) {
	b, err := json.Marshal(o)
	if err != nil {
		return "", fmt.Errorf("encode resource: %w", err)
	}
	return string(b), nil
}

// objectOf is a kept resource as it was sent: without id and meta.
func objectOf(r event.ScimResource) (resource.Object, error) {
	o, err := intake.ParseObject([]byte(r.Body))
	if err != nil {
		return nil, fmt.Errorf("read resource %s/%s: %w", r.Type, r.ID, err)
	}
	return o, nil
}

// etag is the version of a resource for HTTP.
func etag(version int64) string { return `W/"` + strconv.FormatInt(version, 10) + `"` }

// shown is a resource as it is answered.
func shown(r event.ScimResource, t *resource.Type, base string) (resource.Object, error) {
	o, err := objectOf(r)
	if err != nil {
		return nil, err
	}
	o["id"] = r.ID
	o["meta"] = resource.Object{"resourceType": t.Name, "created": r.Created.UTC().Format(time.RFC3339Nano), "lastModified": r.Modified.UTC().Format(time.RFC3339Nano),
		"version": etag(r.Version), "location": base + t.Endpoint + "/" + r.ID}
	if members, ok := o["members"].([]any); ok {
		for _, m := range members {
			if part, ok := m.(resource.Object); ok && part["$ref"] == nil {
				part["$ref"] = base + resource.User.Endpoint + "/" + fmt.Sprint(part["value"])
			}
		}
	}
	return o, nil
}

// projection is which attributes are asked for (RFC 7644, 3.9).
type projection struct {
	only, without []filter.Attribute
}

func newProjection(only, without string) (projection, error) {
	var p projection
	for _, one := range []struct {
		list string
		into *[]filter.Attribute
	}{{only, &p.only}, {without, &p.without}} {
		for name := range strings.SplitSeq(one.list, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			a, err := filter.ParseAttribute(name)
			if err != nil {
				return projection{}, err
			}
			*one.into = append(*one.into, a)
		}
	}
	return p, nil
}

// always says which attributes no projection takes away.
func always(name string) bool { return name == "id" || name == "schemas" }

// of returns what is asked for of a resource.
func (p projection) of(o resource.Object) resource.Object {
	if len(p.only) > 0 {
		out := resource.Object{}
		for name, v := range o {
			if always(name) {
				out[name] = v
			}
		}
		for _, a := range p.only {
			pick(o, out, a)
		}
		return out
	}
	for _, a := range p.without {
		if !always(a.Name) {
			drop(o, a)
		}
	}
	return o
}

// extensionOf is the extension that a name is of, or is.
func extensionOf(o resource.Object, a filter.Attribute) (urn string, whole bool) {
	for name, v := range o {
		if _, ok := v.(resource.Object); !ok {
			continue
		}
		if strings.EqualFold(name, a.URN+":"+a.Name) {
			return name, true
		}
		if strings.EqualFold(name, a.URN) {
			return name, false
		}
	}
	return "", false
}

func pick(from, into resource.Object, a filter.Attribute) {
	if urn, whole := extensionOf(from, a); urn != "" {
		if whole {
			into[urn] = from[urn]
			return
		}
		part, _ := into[urn].(resource.Object)
		if part == nil {
			part = resource.Object{}
		}
		pick(from[urn].(resource.Object), part, filter.Attribute{Name: a.Name, Sub: a.Sub})
		if len(part) > 0 {
			into[urn] = part
		}
		return
	}
	for name, v := range from {
		if !strings.EqualFold(name, a.Name) {
			continue
		}
		if a.Sub == "" {
			into[name] = v
			return
		}
		if kept := pickSub(v, into[name], a.Sub); kept != nil {
			into[name] = kept
		}
	}
}

// pickSub keeps one part of a value, or of each of its values, beside what is kept already.
func pickSub(v, kept any, sub string) any {
	switch v := v.(type) {
	case resource.Object:
		out, _ := kept.(resource.Object)
		if out == nil {
			out = resource.Object{}
		}
		pick(v, out, filter.Attribute{Name: sub})
		if len(out) > 0 {
			return out
		}
	case []any:
		before, _ := kept.([]any)
		out := make([]any, len(v))
		for i, item := range v {
			var beside any
			if i < len(before) {
				beside = before[i]
			}
			out[i] = pickSub(item, beside, sub)
			if out[i] == nil {
				out[i] = resource.Object{}
			}
		}
		return out
	}
	return nil
}

func drop(o resource.Object, a filter.Attribute) {
	if urn, whole := extensionOf(o, a); whole {
		delete(o, urn)
		return
	} else if urn != "" {
		drop(o[urn].(resource.Object), filter.Attribute{Name: a.Name, Sub: a.Sub})
		return
	}
	for name, v := range o {
		if !strings.EqualFold(name, a.Name) {
			continue
		}
		if a.Sub == "" {
			delete(o, name)
			return
		}
		list, ok := v.([]any)
		if !ok {
			list = []any{v}
		}
		for _, item := range list {
			if part, ok := item.(resource.Object); ok {
				drop(part, filter.Attribute{Name: a.Sub})
			}
		}
	}
}

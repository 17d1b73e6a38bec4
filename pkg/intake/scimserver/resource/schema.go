package resource

import (
	"strings"

	"joinery.internal/pkg/intake/scimserver/filter"
)

// Object is a resource, or a part of one, as JSON gives it.
type Object = filter.Object

// Attribute is one attribute of a schema, as RFC 7643 describes them.
type Attribute struct {
	Name        string      `json:"name"`
	Type        string      `json:"type"`
	Sub         []Attribute `json:"subAttributes,omitempty"`
	Multi       bool        `json:"multiValued"`
	Description string      `json:"description"`
	Required    bool        `json:"required"`
	Canonical   []string    `json:"canonicalValues,omitempty"`
	Exact       bool        `json:"caseExact"`
	Mutability  string      `json:"mutability"`
	Returned    string      `json:"returned"`
	Uniqueness  string      `json:"uniqueness"`
	References  []string    `json:"referenceTypes,omitempty"`
}

// Types of attributes.
const (
	typeString    = "string"
	typeBoolean   = "boolean"
	typeReference = "reference"
	typeBinary    = "binary"
	typeComplex   = "complex"
)

const readOnly = "readOnly"

func (a *Attribute) sub(name string) *Attribute {
	for i := range a.Sub {
		if strings.EqualFold(a.Sub[i].Name, name) {
			return &a.Sub[i]
		}
	}
	return nil
}

// Schema is one schema.
type Schema struct {
	Schemas     []string    `json:"schemas"`
	ID          string      `json:"id"`
	Name        string      `json:"name"`
	Description string      `json:"description"`
	Attributes  []Attribute `json:"attributes"`
}

func (s *Schema) attribute(name string) *Attribute {
	for i := range s.Attributes {
		if strings.EqualFold(s.Attributes[i].Name, name) {
			return &s.Attributes[i]
		}
	}
	return nil
}

// Type is one type of resource.
type Type struct {
	Name       string // User
	Endpoint   string // /Users
	Unique     string // the attribute no two resources share
	Core       *Schema
	Extensions []*Schema
}

// URNs of the schemas.
const (
	userURN       = "urn:ietf:params:scim:schemas:core:2.0:User"
	EnterpriseURN = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	groupURN      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	schemaURN     = "urn:ietf:params:scim:schemas:core:2.0:Schema"
)

// User and Group are the types there are.
var (
	User  = &Type{Name: "User", Endpoint: "/Users", Unique: "userName", Core: schema(userURN, "User", "A worker", userAttributes()...), Extensions: []*Schema{enterprise}}
	Group = &Type{Name: "Group", Endpoint: "/Groups", Unique: "displayName", Core: schema(groupURN, "Group", "A group of workers", groupAttributes()...)}

	enterprise = schema(EnterpriseURN, "EnterpriseUser", "What an enterprise knows of a worker",
		text("employeeNumber"), text("costCenter"), text("organization"), text("division"), text("department"),
		complexOf("manager", exact(text("value")), reference("$ref", "User"), fixed(text("displayName"))))
)

// Schemas are all schemas.
func Schemas() []*Schema { return []*Schema{User.Core, enterprise, Group.Core} }

// common attributes belong to every resource, and to no schema.
var common = Schema{Attributes: []Attribute{fixed(exact(text("id"))), exact(text("externalId")),
	fixed(complexOf("meta", exact(text("resourceType")), text("created"), text("lastModified"), exact(text("location")), exact(text("version"))))}}

func schema(id, name, description string, attributes ...Attribute) *Schema {
	return &Schema{[]string{schemaURN}, id, name, description, attributes}
}

func text(name string) Attribute {
	return Attribute{Name: name, Type: typeString, Description: name, Mutability: "readWrite", Returned: "default", Uniqueness: "none"}
}

func typed(name, kind string) Attribute {
	a := text(name)
	a.Type = kind
	return a
}

func exact(a Attribute) Attribute {
	a.Exact = true
	return a
}

func fixed(a Attribute) Attribute {
	a.Mutability = readOnly
	return a
}

func named(a Attribute) Attribute {
	a.Required, a.Uniqueness = true, "server"
	return a
}

func reference(name string, types ...string) Attribute {
	a := exact(typed(name, typeReference))
	a.References = types
	return a
}

func complexOf(name string, sub ...Attribute) Attribute {
	a := typed(name, typeComplex)
	a.Sub = sub
	return a
}

// plural is a multi-valued attribute of the usual shape: value, display, type, primary.
func plural(name string, value Attribute, canonical ...string) Attribute {
	kind := text("type")
	kind.Canonical = canonical
	a := complexOf(name, value, text("display"), kind, typed("primary", typeBoolean))
	a.Multi = true
	return a
}

func userAttributes() []Attribute {
	password := text("password")
	password.Mutability, password.Returned = "writeOnly", "never"
	addresses := plural("addresses", text("formatted"), "work", "home", "other")
	addresses.Sub = append([]Attribute{text("streetAddress"), text("locality"), text("region"), text("postalCode"), text("country")}, addresses.Sub...)
	return []Attribute{
		named(text("userName")),
		complexOf("name", text("formatted"), text("familyName"), text("givenName"), text("middleName"), text("honorificPrefix"), text("honorificSuffix")),
		text("displayName"), text("nickName"), reference("profileUrl", "external"), text("title"), text("userType"),
		text("preferredLanguage"), text("locale"), text("timezone"), typed("active", typeBoolean), password,
		plural("emails", text("value"), "work", "home", "other"), plural("phoneNumbers", text("value"), "work", "home", "mobile", "fax", "pager", "other"),
		plural("ims", text("value")), plural("photos", reference("value", "external"), "photo", "thumbnail"), addresses,
		plural("entitlements", text("value")), plural("roles", text("value")), plural("x509Certificates", exact(typed("value", typeBinary))),
	}
}

func groupAttributes() []Attribute {
	kind := text("type")
	kind.Canonical = []string{"User", "Group"}
	members := complexOf("members", exact(text("value")), reference("$ref", "User", "Group"), kind, text("display"))
	members.Multi = true
	return []Attribute{named(text("displayName")), members}
}

// target is what a name stands for: an attribute, a part of one, or a whole extension.
type target struct {
	urn  string // of an extension; empty: the resource itself
	attr *Attribute
	sub  *Attribute
}

// find looks a name up. It is nil if the type has no such attribute.
func (t *Type) find(a filter.Attribute) *target {
	for _, e := range t.Extensions {
		switch {
		case strings.EqualFold(a.URN+":"+a.Name, e.ID) && a.Sub == "":
			return &target{urn: e.ID}
		case strings.EqualFold(a.URN, e.ID):
			return within(e.ID, e.attribute(a.Name), a.Sub)
		}
	}
	if a.URN != "" && !strings.EqualFold(a.URN, t.Core.ID) {
		return nil
	}
	if attr := t.Core.attribute(a.Name); attr != nil {
		return within("", attr, a.Sub)
	}
	return within("", common.attribute(a.Name), a.Sub)
}

func within(urn string, attr *Attribute, sub string) *target {
	if attr == nil {
		return nil
	}
	found := &target{urn: urn, attr: attr}
	if sub == "" {
		return found
	}
	if found.sub = attr.sub(sub); found.sub == nil {
		return nil
	}
	return found
}

// Exact says whether texts of an attribute are compared with regard to case.
func (t *Type) Exact(a filter.Attribute) bool {
	found := t.find(a)
	switch {
	case found == nil || found.attr == nil:
		return false
	case found.sub != nil:
		return found.sub.Exact
	case found.attr.Type == typeComplex:
		value := found.attr.sub("value")
		return value != nil && value.Exact
	}
	return found.attr.Exact
}

package scim

import (
	"fmt"
	"slices"
	"strings"
)

const (
	userSchema       = "urn:ietf:params:scim:schemas:core:2.0:User"
	groupSchema      = "urn:ietf:params:scim:schemas:core:2.0:Group"
	enterpriseSchema = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
	patchSchema      = "urn:ietf:params:scim:api:messages:2.0:PatchOp"

	enterprisePrefix = "enterprise"
)

// path is where one attribute of a target file lives in a SCIM user.
//
//	name in the file         schema       attr         element  sub
//	title                                 title
//	name.givenName                        name                  givenName
//	emails.work                           emails       work     value
//	addresses.work.locality               addresses    work     locality
//	enterprise.department    enterprise   department
//	enterprise.manager       enterprise   manager               value
type path struct {
	schema  string // an extension's URN; empty: the core schema
	attr    string
	element string // the type of the element of a multi-valued attribute; empty: not multi-valued
	sub     string // sub-attribute; empty: the attribute is simple
}

var (
	multiValued = []string{"emails", "phoneNumbers", "ims", "photos", "entitlements", "roles", "x509Certificates", "addresses"}
	// reserved are not attributes of a target file: the account's name, state and membership are set otherwise.
	reserved = []string{"id", "userName", "externalId", "active", "meta", "schemas", "groups", "password"}
)

func parsePath(name string) (path, error) {
	p, rest := path{}, name
	switch {
	case strings.HasPrefix(name, "urn:"):
		colon := strings.LastIndexByte(name, ':')
		p.schema, rest = name[:colon], name[colon+1:]
	case strings.HasPrefix(name, enterprisePrefix+"."):
		p.schema, rest = enterpriseSchema, strings.TrimPrefix(name, enterprisePrefix+".")
	}
	parts := strings.Split(rest, ".")
	if slices.Contains(parts, "") || strings.ContainsAny(rest, " \"[]()") {
		return p, fmt.Errorf("attribute %q is not a SCIM attribute path such as title, name.givenName or emails.work", name)
	}
	p.attr = parts[0]
	if p.schema == "" && slices.Contains(reserved, p.attr) {
		return p, fmt.Errorf("attribute %q cannot be mapped: %s follows from the account itself", name, p.attr)
	}
	if p.schema == "" && slices.Contains(multiValued, p.attr) {
		return multiPath(p, name, parts[1:])
	}
	switch {
	case len(parts) == 2:
		p.sub = parts[1]
	case len(parts) > 2:
		return p, fmt.Errorf("attribute %q is too deep: SCIM has attribute.subattribute", name)
	case p.schema == enterpriseSchema && p.attr == "manager":
		p.sub = "value"
	}
	return p, nil
}

func multiPath(p path, name string, rest []string) (path, error) {
	switch {
	case p.attr == "addresses" && len(rest) == 2, p.attr != "addresses" && len(rest) == 1:
		p.element, p.sub = rest[0], "value"
		if len(rest) == 2 {
			p.sub = rest[1]
		}
		return p, nil
	case p.attr == "addresses":
		return p, fmt.Errorf("attribute %q lacks a part: write addresses.work.locality", name)
	default:
		return p, fmt.Errorf("attribute %q lacks its type: write %s.work", name, p.attr)
	}
}

// wire is the path as PATCH wants it.
func (p path) wire() string {
	s := p.attr
	if p.element != "" {
		s += "[type eq " + quote(p.element) + "]"
	}
	if p.sub != "" {
		s += "." + p.sub
	}
	if p.schema != "" {
		s = p.schema + ":" + s
	}
	return s
}

// name is the inverse of parsePath.
func (p path) name() string {
	s := p.attr
	if p.element != "" {
		s += "." + p.element
	}
	implied := p.sub == "value" && (p.element != "" || p.schema == enterpriseSchema && p.attr == "manager")
	if p.sub != "" && !implied {
		s += "." + p.sub
	}
	switch p.schema {
	case "":
		return s
	case enterpriseSchema:
		return enterprisePrefix + "." + s
	default:
		return p.schema + ":" + s
	}
}

// A quotation mark is written as a code point: parsers that end a string at the first `"` take that too.
var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\u0022`, "\n", `\n`, "\r", `\r`, "\t", `\t`, "\b", `\b`, "\f", `\f`)

// quote makes a filter's string literal: a JSON string (RFC 7644, 3.4.2.2).
func quote(s string) string { return `"` + quoter.Replace(s) + `"` }

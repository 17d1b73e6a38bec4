// Package resource knows what SCIM resources are made of (RFC 7643) and how they change (RFC 7644, 3.5).
//
// It owns the schemas of User, EnterpriseUser and Group, the way from what a client sends to a resource in its canonical
// form, and PATCH. It does not own storage, identity (id, meta) nor HTTP (package scimserver), nor the grammar of paths
// (package filter).
//
// It is strict in what it keeps and lenient in what it reads, since clients differ: names and operations in any case,
// truth values as text ("True", "False"), one value where a list is due, a text where a complex attribute with a value is
// due, flat names ("name.givenName") as keys of a value without path, and a change to `emails[type eq "work"].value` of
// somebody who has no work address, which makes one. What is unknown or read only is ignored, passwords are not kept; an
// extension that is not ours is kept as it is, for the source's map to read.
//
// Pure. Types are read only and safe for concurrent use; objects belong to the caller.
//
//	user, err := resource.User.Normalise(input)
//	user, err = resource.User.Patch(user, operations)
package resource

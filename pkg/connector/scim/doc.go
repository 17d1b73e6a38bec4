// Package scim is the connector for targets that speak SCIM 2.0 (RFC 7643, RFC 7644).
//
// It owns the protocol: discovery, filters, PATCH with PUT as the fall-back, ETags, paging, groups, and the mapping
// between the attribute paths of a target file and SCIM's JSON. It keeps two caches, both rebuilt from the target: what
// the service provider can do, and the ids of groups by name.
//
// Attribute paths: `title`, `name.givenName`, `emails.work` (the element of type work), `addresses.work.locality`,
// `enterprise.department` (the enterprise extension), or a full `urn:…:User:attribute`.
//
// Connection keys: url (of the service, without /Users), token (bearer) or username and password (basic),
// createGroups ("false": a group that is missing is an error), externalId ("false": the target does not keep it).
//
// Quirks it takes: `active` as a string or missing, ids as numbers, multi-valued elements without type, filters that
// are ignored, members that can only be removed by value, groups not listed in the user.
//
// What it does not take for an answer: 404 of all users, a page for people, a list that is cut short. Whoever took them for
// "there is no such account" would report a leaver's as gone. Credentials go over https, or to this machine.
//
//	c, err := scim.Open(connector.Settings{Name: "chat", Connection: map[string]string{"url": u, "token": t}})
package scim

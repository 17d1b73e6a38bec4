// Package scimserver takes workers that are pushed by a SCIM 2.0 client (RFC 7643, 7644) at /in/scim/{source}/v2/.
//
// It owns the protocol, what is kept of each resource to answer it, and what a write says of a worker. It does not own
// schemas and PATCH (package resource), filters (package filter), the map to canonical records nor Kafka's records of
// sources (package intake).
//
//	bearer token -> bounded JSON -> resource -> one Kafka transaction: resource and source records -> 201, 200, 204
//	                                                 |
//	GET, filter, paging <--- Ledger: a view of jml.scim.resource.v1
//
// # What a write says
//
// The map of the source makes a record of each write of a User; its kind, unless the map says, is upsert, suspend when
// active is false, terminate when the resource is deleted. From what was last said and what is said now follows:
//
//	         now upsert                      now suspend or terminate         deleted
//	nothing  upsert                          nothing: the worker begins later  nothing
//	upsert   upsert                          upsert if changed, then the stop  upsert if changed, then terminate (or absent)
//	suspend  resume, upsert                  upsert if changed                 terminate
//	terminate  reverse_termination, upsert   upsert if changed                 nothing
//
// So what a client repeats does not repeat the stop, and a stop comes to an end only by a word that says so. A write that
// changes nothing writes nothing.
//
// # One writer
//
// A Ledger owns a transactional id. Who opens it last fences all before; a write of theirs fails, they read all there is,
// are the owner again, and decide again: so two consoles behind one address decide one after the other, each knowing what
// the other wrote, and names stay unique. That reading takes time, so send to one as long as it lives. What was read may
// be a moment old on the other.
//
// Handlers and Ledger are safe for concurrent use.
//
//	ledger, err := scimserver.OpenLedger(ctx, options)
//	mux.Handle("/in/scim/hr/v2/", scimserver.New(scimserver.Options{Source: source, Mapper: mapper, Ledger: ledger, …}))
package scimserver

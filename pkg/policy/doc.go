// Package policy compiles the rules of a configuration and evaluates them.
//
// It owns what the files mean together: CEL expressions with their types, the functions they may call, roles and
// their inclusion, approval stages, separation of duties, and the mapping of foreign records. It does not own the
// shape of the files (pkg/config), nor what follows from a decision (the services).
//
// It is pure: no clock, no log, no I/O, no randomness. The present is Input.Now; other people are reached through
// Input.Dir. The same bundle and input give the same output, in the same order.
//
// A Bundle does not change once compiled and is safe for concurrent use; each call makes its own evaluation state.
//
//	bundle, err := policy.Compile(cfg)
//	roles, err := bundle.Birthright(policy.Input{Person: person, Now: now, Dir: directory})
//	for _, grant := range bundle.Grants(granted(roles)...) {
//		fmt.Println(grant.Target, grant.Kind, grant.Name)
//	}
//
// In expressions an absent text is empty, also `person.attributes.x` of an attribute that is not there; has() and
// `in` tell the difference. `before` is an empty person when there was none. A time that is not there is
// 0001-01-01, so ask has(person.end) first. In sources, a key that a record lacks is null, and null is absent.
package policy

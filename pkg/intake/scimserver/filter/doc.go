// Package filter reads and evaluates the filters and paths of SCIM (RFC 7644, 3.4.2.2 and 3.5.2).
//
//	filter    = and *( "or" and )                     "or" binds weaker than "and", "not" strongest
//	and       = term *( "and" term )
//	term      = ["not"] "(" filter ")" / attr "pr" / attr op value / attr "[" filter "]"
//	op        = eq ne co sw ew gt ge lt le            in any case
//	attr      = [ URN ":" ] name [ "." name ]
//	path      = attr / attr "[" filter "]" [ "." name ]
//
// It owns the grammar, its bounds (4 KiB, 32 deep) and the comparison of values. It does not own which attributes there
// are: names are compared without regard to case, and an attribute that is not there matches nothing but ne and not.
// Whether a text is compared exactly is asked of the caller, who has the schema. Pure; filters are read only once made
// and safe for concurrent use.
//
//	f, err := filter.Parse(`emails[type eq "work" and value co "@acme.example"]`)
//	hit := f.Matches(resource, exact)
package filter

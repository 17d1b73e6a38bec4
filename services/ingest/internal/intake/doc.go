// Package intake makes facts of source records: it checks a record, says whose it is, and keeps what cannot be said yet.
//
// A record is correlated, in this order, by
//
//	link             the identity this worker of this source was found to be before
//	strong keys      those of the source's correlate list, in its order, as the directory knows them
//	somebody alike   the same name and birth date: a human case, the record is parked until a person says whose it is
//	a new identity   for an upsert of a source with authority employment
//	nobody           the record is parked, and later ones of the same worker behind it, until somebody is known
//
// Between the moment a new identity's first fact is emitted and the moment the directory knows its keys lies a
// window. It is harmless for sources that may hire: the id of a new identity derives from its first strong key, so
// two records that meet in the window, from one source or two, name the same identity. (Two sources that lead with
// different keys do not meet; give sources that share people the same first key.) It is harmless for the others
// too: their records are parked, and found a moment later.
//
// It owns those rules and the shape of a fault. It does not own storage (app) or what records do to a person
// (internal/lifecycle). Pure; safe for concurrent use except for the time zones a Checker remembers.
package intake

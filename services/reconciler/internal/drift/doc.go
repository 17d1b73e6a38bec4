// Package drift compares what a target has with what it should have: pure decisions over one partition's accounts.
//
// It owns which accounts may be compared, what differs and how it is called, what is done about it, and the events of
// that from found to resolved. It does not own the listing of targets (package listing) nor the repair, which is the
// provisioner's: a drift.found with an action is a nudge to it. No clock, no I/O.
//
//	d := drift.Sweep{ID: id, Target: "chat", Rules: rules, Rows: rows, Of: row, Orphans: orphans, Listing: l, Mine: mine}.Compare(now, cause)
//	// put d.Rows and d.Orphans, emit d.Events
package drift

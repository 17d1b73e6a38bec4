package app

import (
	"slices"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/policy-resolver/internal/access"
)

// open lists, under one key, those of whom something waits for approval, sorted. Who decides it hangs on other people,
// whose changes come in other partitions; so it is looked at again, a few on each tick.
var open = stream.NewTable[[]event.IdentityID]("open")

// perLook bounds how many are looked at again on one tick.
const perLook = 50

func (r *resolver) noteOpen(tx *stream.Tx, id event.IdentityID, asking bool) {
	ids, _ := open.Get(tx, "")
	i, there := slices.BinarySearch(ids, id)
	switch {
	case asking && !there:
		open.Put(tx, "", slices.Insert(ids, i, id))
	case !asking && there && len(ids) == 1:
		open.Delete(tx, "")
	case !asking && there:
		open.Put(tx, "", slices.Delete(ids, i, i+1))
	}
}

// revisit looks again who decides what is open. Where it got to is kept in memory only: to look twice changes nothing.
func (r *resolver) revisit(tx *stream.Tx) error {
	ids, _ := open.Get(tx, "")
	if len(ids) == 0 {
		return nil
	}
	part, _ := partitions.Get(tx, "")
	bundle, err := r.inForce(part)
	if err != nil || bundle == nil {
		return err
	}
	from, _ := slices.BinarySearch(ids, r.looked[tx.Partition()])
	for n := range min(perLook, len(ids)) {
		id := ids[(from+n)%len(ids)]
		state, _ := people.Get(tx, string(id))
		d := access.Work{State: state, ID: id, Bundle: bundle, Dir: r.dir, Cause: tx.Cause().ID() + "/" + string(id), Now: tx.Now()}.Revisited()
		if len(d.Approvals) > 0 {
			r.stage(tx, id, true, d)
		}
		r.looked[tx.Partition()] = id + "\x00" // the next one after it
	}
	return nil
}

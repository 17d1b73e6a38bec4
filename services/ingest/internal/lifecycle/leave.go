package lifecycle

import (
	"slices"
	"time"
)

// leave switches the spell on leave, or back.
type leave struct {
	Rank int64  `json:"r"`
	On   bool   `json:"o,omitempty"`
	By   origin `json:"b"`
}

// insertLeave keeps leaves by rank; of equal ranks the newer version stands later. A plan that has not come by the time
// the same is said again, moves.
func insertLeave(in []leave, l leave, position int64) []leave {
	i := len(in)
	for i > 0 && in[i-1].Rank > l.Rank {
		i--
	}
	moved := func(o leave) bool { return o.On == l.On && o.Rank > position }
	for i < len(in) && moved(in[i]) {
		in = slices.Delete(in, i, i+1)
	}
	for i > 0 && moved(in[i-1]) {
		i--
		in = slices.Delete(in, i, i+1)
	}
	return slices.Insert(in, i, l)
}

// onLeave says whether spell i is on leave at t, and why. A leave goes on in the spell that takes the place of another.
func (t *track) onLeave(i int, at int64, zone *time.Location) (bool, origin) {
	for _, l := range slices.Backward(t.Spells[i].Leaves) {
		if l.Rank <= at {
			return l.On, l.By
		}
	}
	for j := i - 1; j >= 0; j-- {
		if t.Spells[j].runs(zone) && t.end(j, zone).at.Equal(t.Spells[i].Start.At.Begin(zone)) {
			return t.onLeave(j, at, zone)
		}
	}
	return false, origin{}
}

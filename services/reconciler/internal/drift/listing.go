package drift

import (
	"iter"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
)

// Listing is everything a target had between two moments. It is read-only once made, and shared by the partitions.
type Listing struct {
	Began      time.Time // no change made before is missing
	Descriptor connector.Descriptor
	Normal     func(connector.Desired) connector.Desired // into the target's own form
	Accounts   Accounts
}

// Accounts is what was listed. There may be too many to hold them all in memory, so they are asked for one by one.
type Accounts interface {
	Len() int
	// Find looks an account up as a connector's Get does: by remote id, else by owner, else by name in any case.
	Find(ref connector.Ref) *connector.Object
	// Of yields the accounts that a partition answers for. One that was in two pages is yielded twice.
	Of(partition int32) iter.Seq[connector.Object]
	// Err is the first fault of reading: from then on nothing is found.
	Err() error
}

// Owner is what decides which partition an account belongs to: whose it is, else what it is called.
func Owner(o connector.Object) string {
	if o.ExternalID != "" {
		return o.ExternalID
	}
	return strings.ToLower(o.Account)
}

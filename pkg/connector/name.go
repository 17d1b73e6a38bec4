package connector

import (
	"context"
	"errors"
	"strconv"
)

// maxNames is how many numbers FindFree tries: more people of one name than that is a naming rule gone wrong.
const maxNames = 1000

// FindFree finds the name of a new account: base, base2, base3, … until one is free or is ours already. adopted is the
// account that carries the name, nil if it is free. Each try is one read; two callers looking at the same moment may
// find the same name, and the target's own uniqueness (Conflict) then decides.
//
// Ask Get with only the ExternalID first: an account of ours may have any name.
func FindFree(ctx context.Context, c Connector, base string, isOurs func(Object) bool) (name string, adopted *Object, err error) {
	for n := 1; n <= maxNames; n++ {
		name = base
		if n > 1 {
			name = base + strconv.Itoa(n)
		}
		have, err := c.Get(ctx, Ref{Account: name})
		switch {
		case errors.Is(err, ErrNotFound):
			return name, nil, nil
		case err != nil:
			return "", nil, err
		case isOurs(have):
			return name, &have, nil
		}
	}
	return "", nil, Errorf(Invalid, "find a free name for "+base, "%d names are taken; correct account.name in the target file", maxNames)
}

// Ours is FindFree's usual rule: an account with our external id is ours, and so is one that belongs to nobody.
func Ours(externalID string) func(Object) bool {
	return func(o Object) bool { return o.ExternalID == "" || o.ExternalID == externalID }
}

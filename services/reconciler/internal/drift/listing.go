package drift

import (
	"strings"
	"time"

	"joinery.internal/pkg/connector"
)

// Listing is everything a target had between two moments. It is read-only once made, and shared by the partitions.
type Listing struct {
	Began      time.Time // no change made before is missing
	Descriptor connector.Descriptor
	Normal     func(connector.Desired) connector.Desired // into the target's own form
	Objects    []connector.Object

	byRemote, byOwner, byName map[string]*connector.Object
}

// NewListing indexes the objects.
func NewListing(began time.Time, d connector.Descriptor, normal func(connector.Desired) connector.Desired, objects []connector.Object) *Listing {
	l := &Listing{Began: began, Descriptor: d, Normal: normal, Objects: objects, byRemote: make(map[string]*connector.Object, len(objects)),
		byOwner: make(map[string]*connector.Object, len(objects)), byName: make(map[string]*connector.Object, len(objects))}
	for i := range objects {
		o := &objects[i]
		l.byName[strings.ToLower(o.Account)] = o
		if o.RemoteID != "" {
			l.byRemote[o.RemoteID] = o
		}
		if o.ExternalID != "" {
			l.byOwner[o.ExternalID] = o
		}
	}
	return l
}

// find looks an account up as a connector's Get does: by remote id, else by owner, else by name.
func (l *Listing) find(ref connector.Ref) *connector.Object {
	if o := l.byRemote[ref.RemoteID]; o != nil {
		return o
	}
	if o := l.byOwner[ref.ExternalID]; o != nil && ref.ExternalID != "" {
		return o
	}
	if ref.Account == "" {
		return nil
	}
	return l.byName[strings.ToLower(ref.Account)]
}

// Owner is what decides which partition an account belongs to: whose it is, else what it is called.
func Owner(o connector.Object) string {
	if o.ExternalID != "" {
		return o.ExternalID
	}
	return strings.ToLower(o.Account)
}

package app

import (
	"errors"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/stream"
	"joinery.internal/services/ingest/internal/intake"
)

// command takes a person's word on whose the records of a worker are that wait.
func (in *intaker) command(tx *stream.Tx, r stream.Record) error {
	c, err := stream.Decode[event.IntakeCommand](tx, r)
	if err != nil {
		return err
	}
	if r.Key != c.Source+"/"+c.SourceKey {
		return stream.Poison("key", errors.New("the record key is not source/source_key of the worker"))
	}
	waiting, ok := parked.Get(tx, r.Key)
	src, configured := in.sources[c.Source]
	id := c.IdentityID
	if id == "" && ok {
		id = firstIdentity(src, waiting)
	}
	_, known := in.dir.Entry(c.IdentityID)
	switch _, linked := links.Get(tx, r.Key); {
	case c.Actor == "":
		err = errors.New("actor is empty; who says so is part of the evidence")
	case !ok || !configured:
		err = errors.New("no record of this worker waits")
	case linked:
		err = errors.New("the worker is somebody's already; send a split of the source first")
	case c.IdentityID != "" && !known:
		err = errors.New("identity_id: nobody has it")
	case id == "":
		err = errors.New("identity_id is empty, and none of the waiting records may make a new person")
	}
	if err != nil {
		return stream.Poison("invalid", err)
	}
	links.Put(tx, r.Key, id)
	in.release(tx, r.Key, intake.Match{ID: id, How: intake.Assigned}, intake.Said{By: c.Actor, Why: c.Reason})
	return nil
}

// firstIdentity is the new person that the first waiting record which may make one makes.
func firstIdentity(src intake.Source, waiting []event.Fact) event.IdentityID {
	for _, f := range waiting {
		if src.Authority == intake.Employment && f.Record.Kind == event.Upsert {
			return intake.NewIdentity(src, f.Record)
		}
	}
	return ""
}

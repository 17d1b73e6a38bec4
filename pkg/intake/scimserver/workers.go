package scimserver

import (
	"maps"
	"reflect"
	"strconv"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/scimserver/resource"
)

// writing is one write of a User: what was, what is to be.
type writing struct {
	before  event.ScimResource // zero: nothing was
	old     resource.Object    // of before
	row     event.ScimResource // what is to be; its Version is the first that may be used
	object  resource.Object    // of row; of a deletion, what is deleted
	deleted bool
}

// says returns what a write says of the worker, as the table in the package comment has it, and completes the row:
// SourceKey, Said, and Version, which each record takes one of.
func (w *writing) says(m *intake.Mapper, v *view, now time.Time) ([]event.SourceRecord, error) {
	rec, err := w.mapped(m, v, w.object, w.row.ID, w.deleted, now)
	if err != nil {
		return nil, err
	}
	if was := w.before.SourceKey; was != "" && was != rec.SourceKey {
		return nil, &resource.Error{Type: "mutability", Detail: "the source's map makes the worker's key of an attribute that changes here; let it use record.id or record.externalId"}
	}
	w.row.SourceKey = rec.SourceKey
	kinds, err := w.kinds(m, v, rec, now)
	if err != nil {
		return nil, err
	}
	if rec.Kind == event.Upsert || stops(rec.Kind) {
		if w.before.Said != "" || rec.Kind == event.Upsert {
			w.row.Said = rec.Kind
		}
	}
	out := make([]event.SourceRecord, len(kinds))
	for i, kind := range kinds {
		out[i] = w.one(rec, kind, w.row.Version+int64(i))
	}
	w.row.Version += int64(max(0, len(kinds)-1))
	return out, nil
}

// stops says whether a kind ends or interrupts the work.
func stops(k event.RecordKind) bool {
	return k == event.Suspend || k == event.Terminate || k == event.Absent
}

// kinds is the table of the package comment.
func (w *writing) kinds(m *intake.Mapper, v *view, rec event.SourceRecord, now time.Time) ([]event.RecordKind, error) {
	said := w.before.Said
	changed := []event.RecordKind{}
	if said != "" && !w.deleted {
		old, err := w.mapped(m, v, w.old, w.before.ID, false, now)
		if err != nil || !same(old, rec) {
			changed = append(changed, event.Upsert)
		}
	}
	switch {
	case rec.Kind != event.Upsert && !stops(rec.Kind):
		return []event.RecordKind{rec.Kind}, nil
	case said == "" && rec.Kind == event.Upsert:
		return []event.RecordKind{event.Upsert}, nil
	case said == "" || w.deleted && said == event.Terminate:
		return nil, nil
	case rec.Kind == said:
		return changed, nil
	case rec.Kind != event.Upsert:
		return append(changed, rec.Kind), nil
	case said == event.Suspend:
		return []event.RecordKind{event.Resume, event.Upsert}, nil
	}
	return []event.RecordKind{event.ReverseTermination, event.Upsert}, nil
}

// same says whether two records describe the worker alike.
func same(a, b event.SourceRecord) bool {
	return reflect.DeepEqual(a.Person, b.Person) && a.RelatedKey == b.RelatedKey && (stops(b.Kind) || a.EffectiveAt == b.EffectiveAt)
}

// one is one of the records of a write.
func (w *writing) one(rec event.SourceRecord, kind event.RecordKind, version int64) event.SourceRecord {
	if kind != rec.Kind { // the map spoke of the kind it gave
		rec.EffectiveAt, rec.Reason = "", ""
	}
	rec.Kind, rec.Sequence, rec.ID = kind, &version, w.row.ID+"/"+strconv.FormatInt(version, 10)
	return rec
}

// mapped is the record that the map makes of a resource.
func (w *writing) mapped(m *intake.Mapper, v *view, o resource.Object, id string, deleted bool, now time.Time) (event.SourceRecord, error) {
	doc := w.document(v, o, id, deleted)
	kind := event.Upsert
	switch {
	case deleted:
		kind = event.Terminate
	case doc["active"] == false:
		kind = event.Suspend
	}
	rec, err := m.Map(doc, intake.Origin{ID: id, At: now, Kind: kind})
	if err != nil {
		return rec, &resource.Error{Type: "invalidValue", Detail: "the resource does not fit the map of this source: " + err.Error()}
	}
	return rec, nil
}

// document is what the map of the source sees: the resource with its id, and beside it what a map mostly wants, always
// there: active, deleted, name, enterprise (the extension), email and phone (the primary one, else the first), and
// manager_number (the employee number of the manager, if the manager is a resource here).
func (w *writing) document(v *view, o resource.Object, id string, deleted bool) map[string]any {
	doc := maps.Clone(o)
	enterprise := part(o, resource.EnterpriseURN)
	active, given := o["active"].(bool)
	doc["id"], doc["deleted"] = id, deleted
	doc["active"] = (active || !given) && !deleted
	doc["name"], doc["enterprise"] = part(o, "name"), enterprise
	doc["email"], doc["phone"] = primary(o["emails"]), primary(o["phoneNumbers"])
	doc["manager_number"] = ""
	if manager, ok := part(enterprise, "manager")["value"].(string); ok {
		if boss, ok := v.get(keyOf(w.row.Source, resource.User.Name, manager)); ok {
			if of, err := objectOf(boss); err == nil {
				doc["manager_number"], _ = part(of, resource.EnterpriseURN)["employeeNumber"].(string)
			}
		}
	}
	return doc
}

func part(o resource.Object, name string) resource.Object {
	p, ok := o[name].(resource.Object)
	if !ok {
		p = resource.Object{}
	}
	return p
}

// primary is the primary value of a list, else the first.
func primary(v any) string {
	list, _ := v.([]any)
	first := ""
	for _, item := range list {
		o, _ := item.(resource.Object)
		s, _ := o["value"].(string)
		if o["primary"] == true {
			return s
		}
		if first == "" {
			first = s
		}
	}
	return first
}

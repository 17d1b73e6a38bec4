package desk_test

import (
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

// quarantined is a world in which a worker who may be Ana waits, one of nobody known, and a merge.
func quarantined(t *testing.T) *desktest.World {
	t.Helper()
	w := desktest.New(t)
	record := event.SourceRecord{ID: "r-1", Source: "hr", SourceKey: "2002", Kind: event.Upsert, Person: &event.Profile{GivenName: "Ana"}}
	w.Waiting.Put("hr/2002", &event.Waiting{Source: "hr", SourceKey: "2002", Reason: "weak_match", Candidates: []event.IdentityID{"id-ana"}, New: "p-new",
		Since: desktest.Start, Count: 1, Records: []event.SourceRecord{record}})
	w.Waiting.Put("crm/7", &event.Waiting{Source: "crm", SourceKey: "7", Reason: "unknown_key", Since: desktest.Start.Add(-time.Hour), Count: 2})
	w.Waiting.Put("hr/2003", &event.Waiting{Source: "hr", SourceKey: "2003", Reason: "unknown_key", Whose: "id-cyn", Since: desktest.Start, Count: 1})
	w.Journal.Answer = func(o desk.Outgoing) { w.Waiting.Put(o.Key, nil) }
	return w
}

func TestWorkersOfNobodyKnownAreListedAndShownWithTheirRecords(t *testing.T) {
	t.Parallel()
	w := quarantined(t)
	all := w.Desk.Quarantine("")
	if len(all) != 3 || all[0].ID != "crm/7" || all[1].Candidates[0].Name != "Ana Berg" || !all[1].MayBeNew || len(all[1].Newest) != 0 {
		t.Errorf("all: %+v", all)
	}
	if of := w.Desk.Quarantine("crm"); len(of) != 1 || of[0].Records != 2 {
		t.Errorf("of one source: %+v", of)
	}
	one, err := w.Desk.QuarantinedWorker("hr/2002")
	if err != nil || len(one.Newest) != 1 || one.Newest[0].Person.GivenName != "Ana" {
		t.Errorf("shown: %+v, %v", one, err)
	}
	_, err = w.Desk.QuarantinedWorker("hr/1")
	wantFault(t, err, desk.NotFound, "source/source_key")
}

func TestAWordOnWhoseAWorkerIsSaysWhoAndWhyAndARehearsalWritesNothing(t *testing.T) {
	t.Parallel()
	w := quarantined(t)
	word := desk.Assignment{To: "1001", Reason: " asked her "}
	rehearsed := word
	rehearsed.DryRun = true
	if out, err := w.Desk.Assign(t.Context(), "hr/2002", rehearsed, boss); err != nil || out.To.ID != "id-ana" || out.Seen {
		t.Errorf("rehearsed: %+v, %v", out, err)
	}
	if got := desktest.Written[event.IntakeCommand](t, w, event.IntakeCommands); len(got) != 0 {
		t.Fatalf("a rehearsal wrote %+v", got)
	}
	if out, err := w.Desk.Assign(t.Context(), "hr/2002", word, boss); err != nil || !out.Seen || out.To.Name != "Ana Berg" {
		t.Errorf("assigned: %+v, %v", out, err)
	}
	got := desktest.Written[event.IntakeCommand](t, w, event.IntakeCommands)
	if len(got) != 1 || got[0].Source != "hr" || got[0].SourceKey != "2002" || got[0].IdentityID != "id-ana" || got[0].Actor != "id-boss" || got[0].Reason != "asked her" {
		t.Errorf("written: %+v", got)
	}
}

func TestAWorkerIsANewPersonWithoutAName(t *testing.T) {
	t.Parallel()
	w := quarantined(t)
	if out, err := w.Desk.Assign(t.Context(), "hr/2002", desk.Assignment{Reason: "a twin"}, boss); err != nil || out.To.ID != "p-new" {
		t.Errorf("got %+v, %v", out, err)
	}
	if got := desktest.Written[event.IntakeCommand](t, w, event.IntakeCommands); len(got) != 1 || got[0].IdentityID != "" {
		t.Errorf("written: %+v", got)
	}
}

func TestAWordOnWhoseAWorkerIsIsRefusedWhereItCannotCount(t *testing.T) {
	t.Parallel()
	w := quarantined(t)
	for name, c := range map[string]struct {
		worker string
		word   desk.Assignment
		actor  desk.Actor
		kind   desk.FaultKind
		says   string
	}{
		"unknown worker": {"hr/1", desk.Assignment{To: "1001", Reason: "x"}, boss, desk.NotFound, "quarantine list"},
		"unknown person": {"hr/2002", desk.Assignment{To: "9", Reason: "x"}, boss, desk.NotFound, "nobody"},
		"operator":       {"hr/2002", desk.Assignment{To: "1001", Reason: "x"}, operator, desk.Forbidden, "--as"},
		"no reason":      {"hr/2002", desk.Assignment{To: "1001", Reason: " "}, boss, desk.Invalid, "reason"},
		"oneself":        {"hr/2002", desk.Assignment{To: "1001", Reason: "x"}, desk.Actor{ID: "id-ana"}, desk.Forbidden, "themselves"},
		"no new person":  {"crm/7", desk.Assignment{Reason: "x"}, boss, desk.Conflict, "new person"},
		"a merge":        {"hr/2003", desk.Assignment{To: "1001", Reason: "x"}, boss, desk.Conflict, "already"},
	} {
		_, err := w.Desk.Assign(t.Context(), c.worker, c.word, c.actor)
		t.Run(name, func(t *testing.T) { wantFault(t, err, c.kind, c.says) })
	}
	if got := desktest.Written[event.IntakeCommand](t, w, event.IntakeCommands); len(got) != 0 {
		t.Errorf("written: %+v", got)
	}
}

package desk_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

func TestHindsightTellsWhichPastEventsAnotherPolicyDecidesOtherwise(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	at := func(day int) time.Time { return desktest.Start.AddDate(0, 0, day) }
	person := func(id event.IdentityID, workerType string) event.Person {
		return event.Person{ID: id, Status: event.StatusActive, Profile: event.Profile{WorkerType: workerType}}
	}
	w.Archive.Events = []desk.PastEvent{
		{ID: "e-1", Kind: "identity.hire", OccurredAt: at(-40), Person: person("id-ana", "contractor")},
		{ID: "e-2", Kind: "identity.conversion", OccurredAt: at(-2), Person: person("id-ana", "employee")},
		{ID: "e-3", Kind: "identity.hire", OccurredAt: at(-3), Person: person("id-cyn", "contractor")},
	}
	var next []config.File
	for _, f := range desktest.Files {
		next = append(next, config.File{Name: f.Name, Data: []byte(strings.ReplaceAll(string(f.Data), `person.worker_type == "employee"`, `person.worker_type == "contractor"`))})
	}
	got, err := w.Desk.LookBack(t.Context(), desk.LookingBack{Files: next, Since: at(-30)})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%d %d %v", got.Events, got.Affected, got.Roles); text != "2 2 [{staff-base 1 1}]" {
		t.Errorf("events, affected, roles: %s", text)
	}
	if f := got.Items[0]; f.ID != "e-3" || fmt.Sprint(f.Gains, f.Loses, f.Keeps) != "[staff-base] [] []" || f.Person.Name != "Cyn Diaz" {
		t.Errorf("first %+v", f)
	}
	if f := got.Items[1]; f.ID != "e-2" || fmt.Sprint(f.Gains, f.Loses) != "[] [staff-base]" || len(f.Keeps) != 0 && !strings.HasPrefix(f.Keeps[0], "staff-base: ") {
		t.Errorf("second %+v", f)
	}
}

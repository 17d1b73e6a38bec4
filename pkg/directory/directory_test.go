package directory_test

import (
	"slices"
	"testing"

	"joinery.internal/pkg/directory"
	"joinery.internal/pkg/event"
)

func TestInThePlaceOfAManagerWhoLeftIsThatOnesManager(t *testing.T) {
	t.Parallel()
	d := directory.New()
	d.Put(event.DirectoryEntry{IdentityID: "p-top", EmployeeNumber: "0", Status: event.StatusActive})
	d.Put(event.DirectoryEntry{IdentityID: "p-boss", EmployeeNumber: "1", Manager: "0", Status: event.StatusEnded})
	d.Put(event.DirectoryEntry{IdentityID: "p-ann", EmployeeNumber: "2", Manager: "1", Status: event.StatusActive})
	if id, ok := d.ManagerOf("p-ann"); !ok || id != "p-top" {
		t.Errorf("manager is %q, %v", id, ok)
	}
	d.Put(event.DirectoryEntry{IdentityID: "p-top", EmployeeNumber: "0", Manager: "1", Status: event.StatusEnded})
	if id, ok := d.ManagerOf("p-ann"); ok {
		t.Errorf("two who left and manage each other give %q", id)
	}
}

func TestAManagerWhoLeftIsNobodysManager(t *testing.T) {
	t.Parallel()
	d := directory.New()
	d.Put(event.DirectoryEntry{IdentityID: "p-boss", EmployeeNumber: "1", Status: event.StatusActive})
	d.Put(event.DirectoryEntry{IdentityID: "p-ann", EmployeeNumber: "2", Manager: "1", Status: event.StatusActive})
	if id, ok := d.ManagerOf("p-ann"); !ok || id != "p-boss" {
		t.Errorf("manager is %q, %v", id, ok)
	}
	d.Put(event.DirectoryEntry{IdentityID: "p-boss", EmployeeNumber: "1", Status: event.StatusEnded})
	if id, ok := d.ManagerOf("p-ann"); ok {
		t.Errorf("manager is still %q", id)
	}
}

func TestAManagerWhomAnEmergencyHoldsIsAbsentUntilItIsLifted(t *testing.T) {
	t.Parallel()
	d := directory.New()
	boss := event.DirectoryEntry{IdentityID: "p-boss", EmployeeNumber: "1", Manager: "0", Status: event.StatusActive, Held: true}
	d.Put(event.DirectoryEntry{IdentityID: "p-top", EmployeeNumber: "0", Status: event.StatusActive})
	d.Put(boss)
	d.Put(event.DirectoryEntry{IdentityID: "p-ann", EmployeeNumber: "2", Manager: "1", Status: event.StatusActive})
	if id, ok := d.ManagerOf("p-ann"); !ok || id != "p-top" || d.Present("p-boss") {
		t.Errorf("manager is %q, %v", id, ok)
	}
	boss.Held = false
	d.Put(boss)
	if id, ok := d.ManagerOf("p-ann"); !ok || id != "p-boss" || !d.Present("p-boss") {
		t.Errorf("after the lift the manager is %q, %v", id, ok)
	}
}

func TestAnEmailThatMovedFindsItsNewOwnerOnly(t *testing.T) {
	t.Parallel()
	d := directory.New()
	d.Put(event.DirectoryEntry{IdentityID: "p-1", Email: "Desk@acme.example"})
	d.Put(event.DirectoryEntry{IdentityID: "p-2", Email: "desk@acme.example"})
	d.Put(event.DirectoryEntry{IdentityID: "p-1", Email: "ann@acme.example"})
	if id, _ := d.ByEmail("DESK@acme.example"); id != "p-2" {
		t.Errorf("desk is %q", id)
	}
}

func TestMembersFollowTheLatestRoles(t *testing.T) {
	t.Parallel()
	d := directory.New()
	d.PutRoles("p-2", []string{"duty", "staff"})
	d.PutRoles("p-1", []string{"duty"})
	d.PutRoles("p-2", []string{"staff"})
	if got := d.MembersOf("duty"); !slices.Equal(got, []event.IdentityID{"p-1"}) {
		t.Errorf("duty has %v", got)
	}
}

func TestWhoHasMergedAnswersToEveryNameAndTheOtherToNone(t *testing.T) {
	t.Parallel()
	d := directory.New()
	d.Put(event.DirectoryEntry{IdentityID: "p-1", EmployeeNumber: "1", Workers: []string{"hr/1"}})
	d.Put(event.DirectoryEntry{IdentityID: "p-2", EmployeeNumber: "2", Email: "Ann@acme.example", Workers: []string{"hr/2"}, Likeness: "like-a"})
	if got := d.Alike("like-a"); !slices.Equal(got, []event.IdentityID{"p-2"}) {
		t.Errorf("alike: %v", got)
	}
	d.Put(event.DirectoryEntry{IdentityID: "p-1", EmployeeNumber: "1", Aliases: []string{"2", "Ann@acme.example"}, Workers: []string{"hr/1", "hr/2"}})
	d.Put(event.DirectoryEntry{IdentityID: "p-2", Status: event.StatusMerged})
	byNumber, _ := d.ByEmployeeNumber("2")
	byEmail, _ := d.ByEmail("ann@acme.example")
	byWorker, _ := d.ByWorker("hr/2")
	if byNumber != "p-1" || byEmail != "p-1" || byWorker != "p-1" || len(d.Alike("like-a")) != 0 {
		t.Errorf("%s %s %s %v", byNumber, byEmail, byWorker, d.Alike("like-a"))
	}
}

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"testing"
	"time"

	"joinery.internal/pkg/event"
)

// memory is what the pipeline's live state said at a moment: the compacted topics of people and of who holds what.
type memory struct {
	at     time.Time
	people map[event.IdentityID]event.DirectoryEntry
	roles  map[event.IdentityID][]string
}

// latest folds a compacted topic into its newest values by key.
func latest[T any](s *stage, topic event.Topic) map[event.IdentityID]T {
	s.t.Helper()
	var records struct {
		Items []struct {
			Key   string
			Value json.RawMessage
		}
	}
	s.api("GET", "/topics/"+string(topic)+"/cat?limit=1000", "", nil, &records)
	if len(records.Items) == 1000 {
		s.t.Fatalf("%s has more records than are read", topic)
	}
	out := map[event.IdentityID]T{}
	for _, r := range records.Items {
		var v T
		if err := json.Unmarshal(r.Value, &v); err != nil {
			s.t.Fatal(err)
		}
		out[event.IdentityID(r.Key)] = v
	}
	return out
}

// entry and membership are records of the two topics, as plain JSON.
type entry struct {
	Status         event.Status
	Department     string
	Manager        string
	Email          string
	EmployeeNumber string `json:"employee_number"`
}

type membership struct{ Roles []string }

// remember keeps what live state says now, once nothing is under way any more.
func (s *stage) remember() {
	s.settled()
	var clock struct{ Now time.Time }
	s.api("GET", "/clock", "", nil, &clock)
	m := memory{at: clock.Now, people: map[event.IdentityID]event.DirectoryEntry{}, roles: map[event.IdentityID][]string{}}
	for id, e := range latest[entry](s, event.IdentityDirectory) {
		m.people[id] = event.DirectoryEntry{Status: e.Status, Department: e.Department, Manager: e.Manager, Email: e.Email, EmployeeNumber: e.EmployeeNumber}
	}
	for id, held := range latest[membership](s, event.AccessMembers) {
		m.roles[id] = held.Roles
	}
	s.past = append(s.past, m)
}

// checkMemories asks the evidence the same of each of those moments: of access all, of people some, by the API.
func (s *stage) checkMemories(t *testing.T) {
	for _, m := range s.past {
		at := m.at.Format("2006-01-02 15:04:05.000")
		held := map[event.IdentityID][]string{}
		for _, r := range s.sql(fmt.Sprintf("select identity_id, role from joinery.access_as_of(at = '%s', known = '%s') order by identity_id, role", at, at)) {
			held[event.IdentityID(r[0])] = append(held[event.IdentityID(r[0])], r[1])
		}
		n := 0
		for id, want := range m.people {
			if got := held[id]; !slices.Equal(got, m.roles[id]) {
				t.Errorf("%s at %s: the evidence says %v, live state said %v", id, at, got, m.roles[id])
			}
			if n++; n > 8 || want.Status == event.StatusMerged { // a map gives them in any order
				continue
			}
			var got entry
			q := url.Values{"as_of": {m.at.Format(time.RFC3339Nano)}, "known_at": {m.at.Format(time.RFC3339Nano)}}
			s.api("GET", "/persons/"+string(id)+"?"+q.Encode(), "", nil, &got)
			if got != (entry{want.Status, want.Department, want.Manager, want.Email, want.EmployeeNumber}) {
				t.Errorf("%s at %s: the evidence says %+v, live state said %+v", id, at, got, want)
			}
		}
	}
}

package e2e_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"joinery.internal/pkg/event"
)

// alike is a worker with the name and birth date of others, and a number of their own.
func alike(number string) event.SourceRecord {
	r := joiner(number)
	r.Person.GivenName, r.Person.FamilyName, r.Person.Email = "Iris", "Falk", "iris."+number+"@acme.example"
	r.Person.Attributes = map[string]string{"birth_date": "1990-05-04"}
	return r
}

func TestAWorkerWhoMayBeSomebodyIsAssignedByAPersonOrMadeANewOne(t *testing.T) {
	t.Parallel()
	p := boot(t)
	p.produce(joiner("7600"), alike("7601"))
	p.eventually("7600 and 7601 are there", func() string {
		return p.active("chat", "7600")() + p.active("chat", "7601")()
	})
	p.produce(alike("7602"), alike("7603"))
	waiting := func(want int) (found []struct{ ID, Reason string }) {
		t.Helper()
		p.eventually(fmt.Sprint(want, " workers wait"), func() string {
			found = nil
			out, errs, code := p.joinery("quarantine", "list", "-o", "json")
			if err := json.Unmarshal([]byte(out), &found); err != nil || code != 0 || len(found) != want {
				return fmt.Sprintf("exit %d: %s %s", code, out, errs)
			}
			return ""
		})
		return found
	}
	two := waiting(2)
	if two[0].Reason != "weak_match" {
		t.Errorf("they wait: %+v", two)
	}
	same, other := "hr/"+alike("7602").SourceKey, "hr/"+alike("7603").SourceKey
	var shown struct{ Newest []event.SourceRecord }
	if err := json.Unmarshal([]byte(p.must("quarantine", "show", same, "-o", "json")), &shown); err != nil || len(shown.Newest) != 1 || shown.Newest[0].Person.GivenName != "Iris" {
		t.Errorf("shown: %+v, %v", shown, err)
	}
	p.must("quarantine", "assign", same, "--to", "7601", "--dry-run", "--as", "7600", "--reason", "asked her")
	waiting(2)
	p.must("quarantine", "assign", same, "--to", "7601", "--as", "7600", "--reason", "asked her")
	p.must("quarantine", "new", other, "--as", "7600", "--reason", "her twin")
	waiting(0)
	p.eventually("the twin has an account, and the other worker is 7601", p.active("chat", "7603"))
	p.eventually("evidence says who and why", func() string {
		return differs(p.sql(fmt.Sprintf(`select actor = '%s', reason, outcome, endsWith(message, 'asked her') as one, endsWith(message, 'her twin') from joinery.evidence
			where kind = 'exception.resolved' and reason = 'person' order by one desc`, identity("7600"))), "[[1 person resolved 1 0] [1 person resolved 0 1]]")
	})
	if _, errs, code := p.joinery("quarantine", "assign", same, "--to", "7601", "--as", "7600", "--reason", "again"); code == 0 {
		t.Errorf("a word on nobody who waits: exit %d %s", code, errs)
	}
	held, _ := p.look("chat")
	if _, second := held[identity("7602")]; second {
		t.Error("the assigned worker has become a second identity")
	}
}

package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"joinery.internal/pkg/connector/rest/resttest"
	"joinery.internal/pkg/event"
)

// byHand is a configuration whose targets are changed by people: desks by tickets of an ITSM, keys by the console's queue.
const byHand = `
sources/people.yaml: |
  {apiVersion: joinery/v1, kind: Source, metadata: {name: people}, spec: {authority: employment, intake: {records: {}}, correlate: [employee_number], timezone: Europe/Prague}}
targets/desks.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: desks}
  spec:
    connector: ticket
    connection: {url: "ITSM", token: "env:E2E_ITSM_TOKEN"}
    account: {name: 'person.employee_number', attributes: {title: person.title}}
    entitlements: [floor]
    ticket:
      every: 1s
      item: {id: item.id, payload: item.work, said: item.notes, state: 'item.status == "closed" ? "done" : item.status in ["refused", "cancelled"] ? "rejected" : "open"'}
      calls:
        find: {path: tickets, query: {account: account}}
        open: {path: tickets, body: '{"account": account, "status": "new", "subject": title, "text": text, "work": payload}'}
        cancel: {path: 'tickets/{id}', body: '{"status": "cancelled"}'}
targets/keys.yaml: |
  apiVersion: joinery/v1
  kind: Target
  metadata: {name: keys}
  spec:
    connector: ticket
    connection: {queue: console, workers: porter}
    owner: {employee_number: "50"}
    account: {name: 'person.employee_number', attributes: {name: 'person.given_name + " " + person.family_name'}}
    entitlements: [key]
policy/rules.yaml: |
  apiVersion: joinery/v1
  kind: Policy
  metadata: {name: rules}
  spec:
    lifecycle: {mover: {grace: 0d}}
    roles:
      porter: {birthright: 'person.department == "Porters"'}
      clerk: {birthright: 'person.department == "Office"', grants: ["desks:floor/2"]}
      developer: {birthright: 'person.department == "Development"', grants: ["keys:key/garage", "keys:key/door"]}
      seller: {birthright: 'person.department == "Sales"', grants: ["keys:key/door"]}
`

// hands is a pipeline of byHand, and the people in it.
type hands struct {
	*pipeline
	itsm resttest.Peer
}

func bootHands(t *testing.T) hands {
	t.Helper()
	h := hands{itsm: resttest.Start(t)}
	t.Setenv("E2E_ITSM_TOKEN", resttest.Token)
	h.pipeline = boot(t, "--config", write(t, strings.ReplaceAll(byHand, "ITSM\"", h.itsm.Base()+"\"")), "--demo-targets=false", "--clock", "2026-03-02T08:00:00Z")
	return h
}

func (h hands) person(number, department string) *worker {
	return &worker{p: h.pipeline, profile: event.Profile{EmployeeNumber: number, GivenName: "Worker", FamilyName: "No" + number, Email: number + "@acme.example",
		Department: department, Title: "Agent", WorkerType: "employee", StartDate: "2026-02-02", Timezone: "Europe/Prague"}}
}

// ask is one answer of the evidence, waited for.
func (h hands) ask(what, query, want string) {
	h.t.Helper()
	h.eventually(what, func() string {
		rows, err := h.trySQL(query)
		if got := fmt.Sprint(rows); err != nil || got != want {
			return fmt.Sprintf("%v %v; want %s", got, err, want)
		}
		return ""
	})
}

// asked waits until the ITSM's tickets of an account have these statuses, in their order.
func (h hands) asked(account string, want ...string) {
	h.t.Helper()
	h.eventually(fmt.Sprintf("tickets of %s are %v", account, want), func() string {
		var got []string
		for _, one := range h.itsm.Tickets(h.t) {
			if one.Account == account {
				got = append(got, one.Status)
			}
		}
		if !slices.Equal(got, want) {
			return fmt.Sprint(got)
		}
		return ""
	})
}

func TestTicketsOfAnITSMAreOpenedWatchedAndClosed(t *testing.T) {
	h := bootHands(t)
	w := h.person("41", "Nobody")
	w.says(event.Upsert, "")
	h.ask("nothing is asked for who gets nothing", "select count() > 0, countIf(outcome = 'open') from joinery.cases", "[[1 0]]")

	// A hire: one ticket for all of it, once, over a kill; the case waits for the person and then is done.
	w = h.person("42", "Office")
	w.says(event.Upsert, "")
	h.asked("42", "new")
	h.kill()
	h.start()
	h.ask("the case says what it waits for", "select count() from joinery.evidence where kind = 'case.waiting' and reason = 'ticket'", "[[1]]")
	h.asked("42", "new")
	if text := h.itsm.Tickets(t)[0].Text; !strings.Contains(text, "account 42") || !strings.Contains(text, "title: Agent") || !strings.Contains(text, "grant floor/2") {
		t.Errorf("the ticket says %q", text)
	}
	h.itsm.Work(t, "closed", "done")
	h.ask("what people have done counts", "select reason, state, arrayStringConcat(arrayMap(c -> JSONExtractString(c, 'verb'), JSONExtractArrayRaw(payload, 'changes')), ' ') from (select *, JSONExtractString(payload, 'state') as state from joinery.evidence) where kind = 'provision.applied' and target = 'desks'",
		"[[by_hand active create grant]]")

	// What is wanted changes while a ticket is open: the ticket is cancelled, and another says what is wanted now.
	w.profile.Title = "Lead"
	w.says(event.Upsert, "")
	h.asked("42", "closed", "new")
	w.profile.Title = "Head"
	w.says(event.Upsert, "")
	h.asked("42", "closed", "cancelled", "new")

	// Refused: an exception, a dead letter that a replay asks anew.
	h.itsm.Work(t, "refused", "no such title")
	letter := h.letters("open", 1)[0]
	if letter.Service != "provisioner" || letter.Target != "desks" {
		t.Errorf("dead letter: %+v", letter)
	}
	h.ask("the person's words are evidence", "select count() from joinery.evidence where kind = 'provision.dead_lettered' and message like '%no such title%'", "[[1]]")
	h.must("dlq", "replay", letter.ID, "--as", "41", "--reason", "there is now")
	h.asked("42", "closed", "cancelled", "refused", "new")
	h.itsm.Work(t, "closed", "done")
	h.letters("resolved", 1)

	// A leaver: one ticket to disable the account and take away what it holds.
	w.says(event.Terminate, "2026-03-01")
	h.asked("42", "closed", "cancelled", "refused", "closed", "new")
	h.itsm.Work(t, "closed", "done")
	h.ask("the account is disabled", "select argMax(JSONExtractString(payload, 'state'), occurred_at) from joinery.evidence where kind = 'provision.applied' and target = 'desks'", "[[disabled]]")
	h.ask("every case is closed", "select countIf(outcome = 'open'), countIf(outcome = 'failed' and remediated_at is null) from joinery.cases", "[[0 0]]")
	h.evidenceIsWhole()
}

// todo is a row of `joinery ticket list`.
type todo struct {
	ID, State, Account, Lane, Reason string
	Person, Actor                    struct{ ID, Name string }
	Steps                            []struct {
		Verb, Item string
		Enabled    bool
		Attributes map[string]string
	}
	MayClose bool `json:"may_close"`
}

func (o todo) verbs() string {
	var out []string
	for _, s := range o.Steps {
		out = append(out, strings.TrimSpace(s.Verb+" "+s.Item))
	}
	return strings.Join(out, ", ")
}

// queue waits until the open tickets are of these accounts, in the order in which people had better work.
func (h hands) queue(accounts ...string) (found []todo) {
	h.t.Helper()
	h.eventually(fmt.Sprintf("tickets of %v are open", accounts), func() string {
		found = nil
		out, errs, code := h.joinery("ticket", "list", "-o", "json")
		if err := json.Unmarshal([]byte(out), &found); err != nil || code != 0 {
			return fmt.Sprintf("exit %d: %s %s", code, out, errs)
		}
		var got []string
		for _, one := range found {
			got = append(got, one.Account)
		}
		if !slices.Equal(got, accounts) {
			return out
		}
		return ""
	})
	return found
}

func TestTheConsolesOwnQueueIsWorkedOnByPeopleAndTheWorkflowWaits(t *testing.T) {
	h := bootHands(t)
	h.person("50", "Nobody").says(event.Upsert, "") // owns the target
	h.person("51", "Porters").says(event.Upsert, "")
	h.person("52", "Nobody").says(event.Upsert, "")
	seller := h.person("61", "Sales")
	seller.says(event.Upsert, "")
	first := h.queue("61")[0]
	h.kill()
	h.start()
	again := h.queue("61")[0]
	if again.ID != first.ID || again.verbs() != "create, grant key/door" || !again.Steps[0].Enabled || again.Steps[0].Attributes["name"] != "Worker No61" {
		t.Fatalf("over a kill: %+v, then %+v", first, again)
	}

	// Who may close it, and who may not.
	if out, _, code := h.joinery("ticket", "list", "--as", "52", "-o", "json"); code != 0 || strings.TrimSpace(out) != "[]" {
		t.Errorf("a stranger's list: exit %d, %s", code, out)
	}
	if _, errs, code := h.joinery("ticket", "done", first.ID, "--as", "52", "--reason", "x"); code != 1 || !strings.Contains(errs, "closed by Worker No50 or whoever has the role porter") {
		t.Errorf("a stranger: exit %d, %s", code, errs)
	}
	if _, errs, code := h.joinery("ticket", "done", first.ID, "--as", "61", "--reason", "x"); code != 1 || !strings.Contains(errs, "an account of their own") {
		t.Errorf("the person it is about: exit %d, %s", code, errs)
	}
	h.must("ticket", "done", first.ID, "--as", "51", "--reason", "key 7 handed over")
	h.queue()
	h.ask("it counts as applied", "select reason, account, JSONExtractString(payload, 'state') from joinery.evidence where kind = 'provision.applied' and target = 'keys'", "[[by_hand 61 active]]")
	h.ask("the case has waited and is done", "select kind, outcome, reason from joinery.evidence where kind in ('case.waiting', 'case.completed') and identity_id = '"+string(identity("61"))+"' order by occurred_at", "[[case.waiting open ticket] [case.completed succeeded ]]")
	if _, errs, code := h.joinery("ticket", "done", first.ID, "--as", "50", "--reason", "x"); code != 1 || !strings.Contains(errs, "is done") {
		t.Errorf("a second time: exit %d, %s", code, errs)
	}

	// A leaver comes first; what is wanted changes while a ticket is open; one is refused and replayed.
	developer := h.person("62", "Development")
	developer.says(event.Upsert, "")
	h.queue("62")
	seller.says(event.Terminate, "2026-03-01")
	open := h.queue("61", "62")
	if open[0].Lane != "leaver" || open[0].verbs() != "disable, revoke key/door" {
		t.Errorf("the leaver's: %+v", open[0])
	}
	developer.profile.FamilyName = "Nové"
	developer.says(event.Upsert, "")
	h.eventually("a newer wish overtakes the ticket", func() string {
		if now := h.queue("61", "62")[1]; now.ID == open[1].ID || now.Steps[0].Attributes["name"] != "Worker Nové" {
			return fmt.Sprintf("%+v", now)
		}
		return ""
	})
	newer := h.queue("61", "62")[1]
	h.eventually("nothing can be said of the old one", func() string {
		if _, errs, code := h.joinery("ticket", "done", open[1].ID, "--as", "50", "--reason", "x"); code != 1 || !strings.Contains(errs, "is overtaken") {
			return fmt.Sprintf("exit %d, %s", code, errs)
		}
		return ""
	})
	h.must("ticket", "refuse", newer.ID, "--as", "50", "--reason", "no key is left")
	letter := h.letters("open", 1)[0]
	h.must("dlq", "replay", letter.ID, "--as", "50", "--reason", "keys were cut")
	third := h.queue("61", "62")
	h.browse("51", third[0], third[1])
	h.queue()
	h.letters("resolved", 1)
	h.ask("who and why are evidence", "select kind, reason, message, actor = '"+string(identity("51"))+"' from joinery.evidence where kind like 'ticket.%' and kind not in ('ticket.opened', 'ticket.overtaken') order by occurred_at",
		"[[ticket.done  key 7 handed over 1] [ticket.refused  no key is left 0] [ticket.done  over the counter 1] [ticket.done  over the counter 1]]")
	h.ask("every case is closed", "select countIf(outcome = 'open') from joinery.cases", "[[0]]")
	if closed := h.must("ticket", "list", "--state", "closed", "-o", "json"); strings.Count(closed, `"over the counter"`) != 2 || !strings.Contains(closed, `"overtaken"`) {
		t.Errorf("closed: %s", closed)
	}
	h.evidenceIsWhole()
}

// browse closes tickets on the console's page, as a browser without scripts does.
func (h hands) browse(number string, tickets ...todo) {
	h.t.Helper()
	b := newBrowser(h.pipeline)
	b.post("/sign-in", url.Values{"person": {number}})
	page := b.get("/tickets")
	for _, one := range tickets {
		if !strings.Contains(page, `action="/tickets/`+one.ID+`/done"`) {
			h.t.Fatalf("the page has no form for %s:\n%s", one.ID, page)
		}
		b.post("/tickets/"+one.ID+"/done", url.Values{"reason": {"over the counter"}})
	}
}

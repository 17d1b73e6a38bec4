package pages_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

// keys is a target that people change; Bo, 1000, owns it.
const keys = `apiVersion: joinery/v1
kind: Target
metadata: {name: keys}
spec: {connector: ticket, connection: {queue: console}, owner: {employee_number: "1000"}, account: {name: person.employee_number}}
`

// fill gives people something to do: a ticket, a guard that holds, exceptions, dead letters.
func fill(t *testing.T, w *desktest.World) {
	t.Helper()
	w.Enforce(t, append([]config.File{{Name: "targets/keys.yaml", Data: []byte(keys)}}, desktest.Files...))
	w.Queue.Put("id-ana|keys", &event.Ticket{ID: "t-1", IdentityID: "id-ana", Target: "keys", Account: "1001", Lane: event.LaneLeaver, OpenedAt: desktest.Start,
		Steps: []event.TicketStep{{Verb: "disable"}, {Verb: "update", Attributes: map[string]string{"desk": "4 <b>", "floor": ""}}, {Verb: "revoke", Item: "key/garage"}}})
	w.Archive.Closed = []desk.Ticket{{ID: "t-0", State: "refused", Target: "keys", Account: "1002", Person: desk.Named{ID: "id-cyn"}, Actor: desk.Named{ID: "id-boss"}, Reason: "no key is left",
		OpenedAt: desktest.Start, ClosedAt: desktest.Start, Steps: []desk.TicketStep{{Verb: "create"}, {Verb: "update", Item: "desk"}, {Verb: "grant", Item: "key/garage"}}}}
	w.Archive.Trips = []desk.Guard{{ID: "mass-leaver:chat.3f9a2c1b", Guard: "mass-leaver", Target: "chat", State: desk.GuardHolding, Held: 7, Message: "5 accounts in 1h", TrippedAt: desktest.Start,
		Votes: []desk.GuardVote{{Kind: "release", Actor: desk.Named{ID: "id-cyn"}, Reason: "fine", At: desktest.Start}}}}
	w.Archive.Wrong = []desk.Exception{{ID: "dl-1", Class: "dead_letter", Message: "does not decode", OpenedAt: desktest.Start},
		{ID: "x-2", Class: "held", Person: desk.Named{ID: "id-ana"}, Target: "chat", OpenedAt: desktest.Start, ResolvedAt: desktest.Start, Resolution: "release"}}
	dead := func(id string, topic event.Topic, value string) desk.DeadLetter {
		raw, err := w.Desk.Codec.Encode(string(event.DeadLetters), &event.DeadLetter{Meta: event.Meta{EventID: "e-1", Kind: event.ExceptionOpened, OccurredAt: desktest.Start},
			Topic: string(topic), Partition: 1, Offset: 7, Key: []byte("hr/1001"), Value: []byte(value), Headers: map[string][]byte{"ce_id": []byte("r-1")}})
		if err != nil {
			t.Fatal(err)
		}
		return desk.DeadLetter{ID: id, Class: "decode", Service: "ingest", Topic: string(topic), Partition: 1, Offset: 7, Message: "does not decode", OpenedAt: desktest.Start, Raw: raw}
	}
	w.Archive.Letters = []desk.DeadLetter{dead("dl-1", event.SourceRecords, `{"source":"<hr>"}`), dead("dl-2", event.SourceRecords, strings.Repeat("junk", 2000)), dead("dl-3", event.IdentityEvents, "junk"),
		{ID: "dl-4", Class: "invalid", Service: "provisioner", Topic: string(event.AccessDesired), IdentityID: "id-ana", Target: "chat", OpenedAt: desktest.Start, ResolvedAt: desktest.Start, Resolution: "replay"}}
}

func TestATicketIsClosedWithAPlainForm(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	fill(t, w)
	b.signIn("1000")
	if _, body := b.get("/tickets?view=closed"); !strings.Contains(body, "Create the account\n") || !strings.Contains(body, "no key is left") {
		t.Errorf("closed:\n%s", body)
	}
	_, body := b.get("/tickets")
	for _, want := range []string{`action="/tickets/t-1/done"`, `formaction="/tickets/t-1/refuse"`, "Take away key/garage", "4 &lt;b&gt;", "no value", `<span class="count">1<span class="hidden"> waiting for you`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s:\n%s", want, body)
		}
	}
	if status, body := b.send(http.MethodPost, "/tickets/t-1/done", url.Values{"reason": {" "}}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "give a reason") {
		t.Errorf("without a reason: %d", status)
	}
	w.Journal.Answer = func(desk.Outgoing) {
		w.Journal.Put(t, event.ProvisionEvents, 0, &event.ProvisionEvent{Meta: event.Meta{EventID: "e-1", Kind: event.TicketRefused, CausationID: "t-1", Actor: "id-boss", OccurredAt: desktest.Start}})
		w.Queue.Put("id-ana|keys", nil)
	}
	status, body := b.send(http.MethodPost, "/tickets/t-1/refuse", url.Values{"reason": {"no key"}})
	if status != http.StatusOK || !strings.Contains(body, "Noted as refused") || !strings.Contains(body, "Nothing waits for you") {
		t.Errorf("refused: %d\n%s", status, body)
	}
	if sent := desktest.Written[event.TicketCommand](t, w, event.TicketCommands); len(sent) != 1 || sent[0].Kind != event.RefuseTicket || sent[0].Reason != "no key" || sent[0].Actor != "id-boss" {
		t.Errorf("written: %+v", sent)
	}
	if status, _ := b.send(http.MethodPost, "/tickets/t-1/burn", url.Values{"reason": {"x"}}); status != http.StatusNotFound {
		t.Errorf("an act that is none: %d", status)
	}
}

func TestWhoMayNotCloseATicketSeesNoForm(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	fill(t, w)
	b.signIn("1002")
	if _, body := b.get("/tickets?view=open"); strings.Contains(body, "<textarea") || !strings.Contains(body, "Account 1001 in keys") {
		t.Errorf("a stranger sees:\n%s", body)
	}
	if _, body := b.get("/tickets"); !strings.Contains(body, "Nothing waits for you") {
		t.Errorf("a stranger's own:\n%s", body)
	}
}

func TestWhatAGuardHoldsIsDecidedWithAPlainForm(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	fill(t, w)
	if _, body := b.get("/guards"); strings.Contains(body, "<textarea") || !strings.Contains(body, "sign in</a> as a person") {
		t.Errorf("nobody in particular sees:\n%s", body)
	}
	b.signIn("1000")
	if _, body := b.get("/guards"); !strings.Contains(body, `formaction="/guards/mass-leaver:chat.3f9a2c1b/cancel"`) || !strings.Contains(body, "by Cyn Diaz") {
		t.Errorf("the page:\n%s", body)
	}
	w.Journal.Answer = func(o desk.Outgoing) {
		var c event.GuardCommand
		if err := w.Desk.Codec.Decode(o.Value, string(o.Topic), &c); err != nil {
			t.Error(err)
		}
		w.Journal.Put(t, event.ProvisionEvents, 0, &event.ProvisionEvent{Meta: event.Meta{EventID: "e-1", Kind: event.GuardVoted, CausationID: c.ID, Outcome: "decisive", OccurredAt: desktest.Start}})
	}
	if status, body := b.send(http.MethodPost, "/guards/mass-leaver:chat.3f9a2c1b/release", url.Values{"reason": {"March"}}); status != http.StatusOK || !strings.Contains(body, "Released: what was held goes on.") {
		t.Errorf("released: %d\n%s", status, body)
	}
}

func TestADeadLetterIsCorrectedReplayedAndDiscardedWithPlainForms(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	fill(t, w)
	if _, body := b.get("/dead-letters/dl-1"); strings.Contains(body, "<form class=\"decide") || !strings.Contains(body, "sign in</a> as a person") {
		t.Errorf("nobody in particular sees:\n%s", body)
	}
	b.signIn("1000")
	if _, body := b.get("/dead-letters"); !strings.Contains(body, `href="/dead-letters/dl-1"`) || !strings.Contains(body, "class=decode") {
		t.Errorf("the list:\n%s", body)
	}
	_, body := b.get("/dead-letters/dl-1")
	for _, want := range []string{"&#34;source&#34;: &#34;&lt;hr&gt;&#34;", "7b 22 73 6f", "partition 1, offset 7", "hr/1001", "ce_id", `formaction="/dead-letters/dl-1/correct"`, `formaction="/dead-letters/dl-1/discard"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s:\n%s", want, body)
		}
	}
	if _, body := b.get("/dead-letters/dl-3"); strings.Contains(body, "Replay it as it is") || !strings.Contains(body, "A link of a chain") {
		t.Errorf("a link of a chain:\n%s", body)
	}
	if _, body := b.get("/dead-letters/dl-4"); strings.Contains(body, "<form class=\"decide") || !strings.Contains(body, "Resolved by replay") {
		t.Errorf("a resolved one:\n%s", body)
	}
	wrong := `{"source": "hr", "nonsense": 1`
	if status, body := b.send(http.MethodPost, "/dead-letters/dl-1/correct", url.Values{"reason": {"a typo"}, "value": {wrong}}); status != http.StatusUnprocessableEntity ||
		!strings.Contains(body, "nonsense&#34;: 1</textarea>") || !strings.Contains(body, ">a typo</textarea>") {
		t.Errorf("a correction that is none: %d\n%s", status, body)
	}
	right := `{"id": "r-1", "source": "hr", "source_key": "1001", "recorded_at": "2026-03-02T08:00:00Z"}`
	for _, act := range []string{"correct", "replay", "discard"} {
		if status, body := b.send(http.MethodPost, "/dead-letters/dl-1/"+act, url.Values{"reason": {"mended"}, "value": {right}}); status != http.StatusOK || !strings.Contains(body, `role="status"`) {
			t.Errorf("%s: %d\n%s", act, status, body)
		}
	}
	records, err := w.Journal.Last(t.Context(), event.SourceRecords, 10)
	if err != nil || len(records) != 2 || records[0].Partition != 1 || string(records[1].Value) != `{"source":"<hr>"}` {
		t.Fatalf("written: %+v, %v", records, err)
	}
	var corrected event.SourceRecord
	if err := w.Desk.Codec.Decode(records[0].Value, string(event.SourceRecords), &corrected); err != nil || corrected.SourceKey != "1001" {
		t.Errorf("corrected: %+v, %v", corrected, err)
	}
	if said := desktest.Written[event.ReplayCommand](t, w, event.ReplayCommands); len(said) != 7 || said[6].Resolution != "person" || said[0].Actor != "id-boss" {
		t.Errorf("said: %+v", said)
	}
}

package pages_test

import (
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/evidence"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
	"joinery.internal/services/console/internal/pages"
	"joinery.internal/services/console/internal/session"
)

type people struct{ *desk.Desk }

func (people) Name(id event.IdentityID) string { return "name of " + string(id) }

// browser is a person at the pages: it keeps cookies, follows redirects and knows no scripts.
type browser struct {
	t      *testing.T
	client *http.Client
	url    string
}

func open(t *testing.T) (*desktest.World, *browser) {
	t.Helper()
	w := desktest.New(t)
	w.Approval("act-1", "id-boss")
	rate, p50 := 0.975, int64(1200)
	w.Archive.Figures = evidence.KPITable{Overall: evidence.KPI{Closed: 4, SuccessRate: &rate, EventToAccessP50: &p50}}
	h := pages.New(w.Desk, session.New(people{w.Desk}, true), slog.New(slog.DiscardHandler))
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w, &browser{t: t, client: &http.Client{Jar: jar}, url: server.URL}
}

func (b *browser) send(method, path string, form url.Values) (int, string) {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it has been read
	var body strings.Builder
	if err := resp.Write(&body); err != nil {
		b.t.Fatal(err)
	}
	return resp.StatusCode, body.String()
}

func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	return b.send(http.MethodGet, path, nil)
}

func (b *browser) signIn(person string) {
	b.t.Helper()
	if status, body := b.send(http.MethodPost, "/sign-in", url.Values{"person": {person}}); status != http.StatusOK {
		b.t.Fatalf("sign in: %d %s", status, body)
	}
}

func TestEveryPageRendersWithEverythingAndWithNothing(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	paths := []string{"/", "/people", "/people?q=berg", "/people?q=nobody", "/people/1001", "/people/1001?kind=case", "/approvals", "/approvals?view=open", "/approvals?view=decided", "/sign-in",
		"/tickets", "/tickets?view=open", "/tickets?view=closed", "/guards", "/guards?view=all", "/exceptions", "/exceptions?state=resolved&class=held",
		"/dead-letters", "/dead-letters?state=resolved&class=decode&topic=jml.source.record.v1"}
	for _, round := range []string{"with nothing", "with everything"} {
		for _, path := range paths {
			if status, body := b.get(path); status != http.StatusOK || !strings.Contains(body, "</html>") || strings.Contains(body, "<no value>") {
				t.Errorf("%s, %s: %d\n%s", path, round, status, body)
			}
		}
		w.Archive.Newest = &event.Person{Profile: event.Profile{Title: "Engineer", WorkerType: "employee", Location: "Oslo"}, Start: desktest.Start, End: desktest.Start, Emergency: true}
		w.Archive.Roles = []desk.Access{{Role: "staff-base", Target: "chat", Entitlement: "group/staff", Since: desktest.Start, Until: desktest.Start.Add(time.Hour)}}
		w.Archive.Moments = []desk.Moment{{EventID: "e-1", Kind: "provision.applied", Target: "chat", Account: "ana", Role: "staff-base", Source: "hr", Entitlement: "group/staff",
			Actor: "id-boss", Reason: "x", Message: "made", CaseID: "case-1", OccurredAt: desktest.Start, EffectiveAt: desktest.Start}}
		fill(t, w)
		paths = append(paths, "/dead-letters/dl-1", "/dead-letters/dl-2", "/dead-letters/dl-3", "/dead-letters/dl-4")
		w.Archive.Figures.LeaversWithAccess = evidence.LeaversWithAccess{Count: 1, Oldest: &desktest.Start}
		b.signIn("1000")
	}
}

func TestTheTimelineShowsTheNewestFirst(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	w.Archive.Moments = []desk.Moment{{Kind: "identity.hire", OccurredAt: desktest.Start}, {Kind: "identity.transfer", OccurredAt: desktest.Start.Add(time.Hour)}}
	_, body := b.get("/people/1001")
	if hire, transfer := strings.Index(body, "Identity: hire"), strings.Index(body, "Identity: transfer"); hire < 0 || transfer < 0 || transfer > hire {
		t.Errorf("hire at %d, transfer at %d", hire, transfer)
	}
}

func TestAnApproverApprovesWithAPlainForm(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	w.Journal.Answer = func(desk.Outgoing) {
		w.Inbox.Event(event.ApprovalEvent{Meta: event.Meta{EventID: "e-2", Kind: event.ApprovalGranted, Actor: "id-boss", OccurredAt: desktest.Start}, RequestID: "act-1"})
	}
	b.signIn("1000")
	_, body := b.get("/approvals")
	form := regexp.MustCompile(`<form class="decide" method="post" action="([^"]+)">`).FindStringSubmatch(body)
	deny := regexp.MustCompile(`formaction="([^"]+)"`).FindStringSubmatch(body)
	if form == nil || deny == nil || form[1] != "/approvals/act-1/approve" || deny[1] != "/approvals/act-1/deny" {
		t.Fatalf("the inbox has no form to decide:\n%s", body)
	}
	if strings.Contains(body, "quarter end <b>") {
		t.Error("the requester's words are not escaped")
	}
	status, body := b.send(http.MethodPost, form[1], url.Values{"reason": {"fine by me"}})
	if status != http.StatusOK || !strings.Contains(body, `role="status"`) || !strings.Contains(body, "Nothing waits for you") {
		t.Errorf("after approving: %d\n%s", status, body)
	}
	sent := desktest.Written[event.ApprovalCommand](t, w, event.ApprovalCommands)
	if len(sent) != 1 || sent[0].Kind != event.Approve || sent[0].Actor != "id-boss" || sent[0].Reason != "fine by me" {
		t.Errorf("written %+v", sent)
	}
}

func TestAFormThatIsNotAcceptedKeepsWhatWasTyped(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	b.signIn("1000")
	w.Journal.Fails = desktest.ErrDown
	status, body := b.send(http.MethodPost, "/approvals/act-1/deny", url.Values{"reason": {"a long & thoughtful reason"}})
	if status != http.StatusServiceUnavailable || !strings.Contains(body, `role="alert"`) || !strings.Contains(body, "a long &amp; thoughtful reason</textarea>") {
		t.Errorf("%d\n%s", status, body)
	}
	if status, body = b.send(http.MethodPost, "/approvals/act-1/deny", url.Values{}); status != http.StatusUnprocessableEntity || !strings.Contains(body, "give a reason") {
		t.Errorf("without a reason: %d\n%s", status, body)
	}
}

func TestOnlyApproversSeeTheForm(t *testing.T) {
	t.Parallel()
	_, b := open(t)
	b.signIn("1002")
	if _, body := b.get("/approvals?view=open"); strings.Contains(body, "<textarea") || !strings.Contains(body, "payments-approver") {
		t.Errorf("somebody who is not asked sees:\n%s", body)
	}
}

func TestGetNeverChangesAnything(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	fill(t, w)
	b.signIn("1000")
	for _, path := range []string{"/approvals/act-1/approve", "/approvals/act-1/approve?reason=x", "/tickets/t-1/done?reason=x", "/guards/mass-leaver:chat.3f9a2c1b/release?reason=x",
		"/dead-letters/dl-1/replay?reason=x", "/dead-letters/dl-1/discard?reason=x", "/sign-out"} {
		if status, _ := b.get(path); status != http.StatusNotFound && status != http.StatusMethodNotAllowed {
			t.Errorf("GET %s answers %d", path, status)
		}
	}
	for _, topic := range []event.Topic{event.ApprovalCommands, event.TicketCommands, event.GuardCommands, event.ReplayCommands, event.SourceRecords} {
		if sent, err := w.Journal.Last(t.Context(), topic, 10); err != nil || len(sent) != 0 {
			t.Errorf("a GET has written %+v, %v", sent, err)
		}
	}
	if _, body := b.get("/approvals"); !strings.Contains(body, "name of id-boss") {
		t.Error("a GET has signed the person out")
	}
}

func TestThereIsNoScriptAndNoStyleOutsideTheSheet(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	fill(t, w)
	b.signIn("1000")
	foreign := regexp.MustCompile(`(?i)<script|\son\w+=|\sstyle=|<style|(src|href|action)="(https?:)?//`)
	for _, path := range []string{"/", "/people", "/people/1001", "/approvals", "/tickets", "/guards", "/exceptions", "/dead-letters", "/dead-letters/dl-1", "/sign-in", "/nowhere"} {
		if _, body := b.get(path); foreign.MatchString(body) {
			t.Errorf("%s has %q", path, foreign.FindString(body))
		}
	}
	if status, body := b.get("/assets/console.css"); status != http.StatusOK || !strings.Contains(body, "prefers-color-scheme") {
		t.Errorf("the style sheet: %d", status)
	}
	if status, _ := b.get("/assets/"); status == http.StatusOK {
		t.Error("the folder of assets can be listed")
	}
}

func TestDemoLoginsAreSaidLoudly(t *testing.T) {
	t.Parallel()
	_, b := open(t)
	for _, path := range []string{"/", "/people", "/sign-in", "/nowhere"} {
		if _, body := b.get(path); !strings.Contains(body, "Never run this in production") {
			t.Errorf("%s lacks the banner", path)
		}
	}
}

func TestAFaultIsAPageThatSaysWhatToDo(t *testing.T) {
	t.Parallel()
	w, b := open(t)
	for path, want := range map[string]int{"/nowhere": 404, "/people/4711": 404, "/people?cursor=!": 422} {
		if status, body := b.get(path); status != want || !strings.Contains(body, `role="alert"`) {
			t.Errorf("%s: %d", path, status)
		}
	}
	w.Archive.Down = true
	if status, body := b.get("/people/1001"); status != http.StatusServiceUnavailable || !strings.Contains(body, `role="alert"`) {
		t.Errorf("without evidence: %d", status)
	}
	if status, body := b.get("/"); status != http.StatusOK || !strings.Contains(body, "Not answering") {
		t.Errorf("home without evidence: %d", status)
	}
}

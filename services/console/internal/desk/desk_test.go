package desk_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

var (
	boss     = desk.Actor{ID: "id-boss", Name: "Bo Holm"}
	operator = desk.Actor{Name: desk.Operator}
)

func wantFault(t *testing.T, err error, kind desk.FaultKind, says string) {
	t.Helper()
	var f *desk.Fault
	if !errors.As(err, &f) || f.Kind != kind || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v; want %s with %q", err, kind, says)
	}
}

func TestAPersonIsNamedByIdentityIDOrEmployeeNumber(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	for _, name := range []string{"id-ana", "1001"} {
		if id, err := w.Desk.Find(name); err != nil || id != "id-ana" {
			t.Errorf("find %s: %s, %v", name, id, err)
		}
	}
	_, err := w.Desk.Find("4711")
	wantFault(t, err, desk.NotFound, `"4711"`)
}

func TestPeopleArePagedByNameWithoutLossOrRepetition(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	for i := range 40 { // the same name many times: the id decides
		w.People.Put(event.DirectoryEntry{IdentityID: event.IdentityID(fmt.Sprintf("id-%02d", i)), DisplayName: "Kim Lee"})
	}
	var seen []event.IdentityID
	q := desk.PersonQuery{Limit: 7}
	for {
		page, err := w.Desk.Persons(q)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Items {
			seen = append(seen, p.ID)
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	slices.Sort(seen)
	if len(seen) != 43 || len(slices.Compact(seen)) != 43 {
		t.Errorf("the pages hold %d people, want each of 43 once", len(seen))
	}
}

func TestEveryWordOfASearchMustOccur(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	for text, want := range map[string]int{"finance": 2, "BERG finance": 1, "berg sales": 0, "1002": 1, "": 3, "acme.example bo": 1} {
		if page, err := w.Desk.Persons(desk.PersonQuery{Text: text}); err != nil || page.Total != want {
			t.Errorf("%q finds %d people, want %d (%v)", text, page.Total, want, err)
		}
	}
	_, err := w.Desk.Persons(desk.PersonQuery{Cursor: "!"})
	wantFault(t, err, desk.Invalid, "cursor")
}

func TestAVoteIsRefusedEarlyWhereTheApprovalServiceWould(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	w.Approval("act-1", "id-boss")
	vote := desk.Vote{Kind: event.Approve, Reason: "fine"}
	for name, c := range map[string]struct {
		id    string
		vote  desk.Vote
		actor desk.Actor
		kind  desk.FaultKind
		says  string
	}{
		"unknown":      {"act-9", vote, boss, desk.NotFound, "act-9"},
		"operator":     {"act-1", vote, operator, desk.Forbidden, "--as"},
		"beneficiary":  {"act-1", vote, desk.Actor{ID: "id-ana"}, desk.Forbidden, "for themselves"},
		"requester":    {"act-1", vote, desk.Actor{ID: "id-cyn"}, desk.Forbidden, "of their own"},
		"not asked":    {"act-1", vote, desk.Actor{ID: "id-else"}, desk.Forbidden, "Bo Holm"},
		"no reason":    {"act-1", desk.Vote{Kind: event.Deny, Reason: " "}, boss, desk.Invalid, "reason"},
		"to nobody":    {"act-1", desk.Vote{Kind: event.Delegate, Reason: "away"}, boss, desk.Invalid, "instead"},
		"to requester": {"act-1", desk.Vote{Kind: event.Delegate, Reason: "away", To: "1002"}, boss, desk.Forbidden, "Cyn Diaz"},
		"to self":      {"act-1", desk.Vote{Kind: event.Delegate, Reason: "away", To: "1000"}, boss, desk.Invalid, "somebody else"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Desk.Vote(t.Context(), c.id, c.vote, c.actor)
			wantFault(t, err, c.kind, c.says)
		})
	}
	if sent := desktest.Written[event.ApprovalCommand](t, w, event.ApprovalCommands); len(sent) != 0 {
		t.Errorf("refused votes were written: %+v", sent)
	}
}

func TestAVoteIsACommandAndItsEffectIsWaitedFor(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	w.Approval("act-1", "id-boss")
	w.Journal.Answer = func(desk.Outgoing) { // the approval service
		w.Inbox.Event(event.ApprovalEvent{Meta: event.Meta{EventID: "e-2", Kind: event.ApprovalGranted, Actor: "id-boss", OccurredAt: desktest.Start}, RequestID: "act-1"})
	}
	got, err := w.Desk.Vote(t.Context(), "act-1", desk.Vote{Kind: event.Approve, Reason: "fine"}, boss)
	if err != nil || !got.Seen || got.Status != "granted" {
		t.Fatalf("got %+v, %v", got, err)
	}
	sent := desktest.Written[event.ApprovalCommand](t, w, event.ApprovalCommands)
	want := event.ApprovalCommand{ID: "act-new-1", Kind: event.Approve, RequestID: "act-1", IdentityID: "id-ana", Actor: "id-boss", Reason: "fine", At: desktest.Start}
	if len(sent) != 1 || sent[0] != want {
		t.Errorf("written %+v, want %+v", sent, want)
	}
	_, err = w.Desk.Vote(t.Context(), "act-1", desk.Vote{Kind: event.Deny, Reason: "late"}, boss)
	wantFault(t, err, desk.Conflict, "granted")
}

func TestAVoteThatIsNotCountedInTimeSaysSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := desktest.New(t)
		w.Approval("act-1", "id-boss")
		got, err := w.Desk.Vote(t.Context(), "act-1", desk.Vote{Kind: event.Approve, Reason: "fine"}, boss)
		if err != nil || got.Seen {
			t.Errorf("got seen %v, %v", got.Seen, err)
		}
	})
}

func TestADryRunWritesNothing(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	w.Approval("act-1", "id-boss")
	ctx := t.Context()
	line := `{"id":"r-1","source":"hr","source_key":"1001","recorded_at":"2026-03-02T08:00:00Z"}`
	for name, act := range map[string]func() error{
		"vote": func() error {
			_, err := w.Desk.Vote(ctx, "act-1", desk.Vote{Kind: event.Approve, Reason: "x", DryRun: true}, boss)
			return err
		},
		"request": func() error {
			_, err := w.Desk.Request(ctx, desk.AccessRequest{Kind: event.RequestGrant, Role: "staff-base", For: "1001", Reason: "x", DryRun: true}, boss)
			return err
		},
		"produce": func() error {
			_, err := w.Desk.Produce(ctx, event.SourceRecords, strings.NewReader(line), true)
			return err
		},
		"publish": func() error {
			files := append(slices.Clone(desktest.Files), config.File{Name: "policy/b.yaml", Data: []byte("apiVersion: joinery/v1\nkind: Policy\nmetadata: {name: b}\n")})
			got, err := w.Desk.Publish(ctx, desk.Publishing{Files: files, Reason: "x", DryRun: true}, boss)
			return errors.Join(err, expect(got.Changed, "a changed policy"))
		},
		"reconcile": func() error { _, err := w.Desk.Reconcile(ctx, "chat", "x", true, boss); return err },
		"clock":     func() error { _, err := w.Desk.MoveClock(time.Hour, true); return err },
	} {
		if err := act(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, topic := range []event.Topic{event.ApprovalCommands, event.AccessRequests, event.SourceRecords, event.SweepCommands} {
		if records, err := w.Journal.Last(ctx, topic, 10); err != nil || len(records) != 0 {
			t.Errorf("%s holds %d records", topic, len(records))
		}
	}
	if len(w.Active) != 0 || !w.Clock.Now().Equal(desktest.Start) {
		t.Error("a policy was put in force, or the clock moved")
	}
}

func expect(ok bool, what string) error {
	if !ok {
		return errors.New("expected " + what)
	}
	return nil
}

func TestARequestForAnUnknownRoleIsRefusedWithAHint(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	_, err := w.Desk.Request(t.Context(), desk.AccessRequest{Kind: event.RequestGrant, Role: "payment-approver", For: "1001", Reason: "x"}, operator)
	wantFault(t, err, desk.NotFound, `did you mean "payments-approver"?`)
	got, err := w.Desk.Request(t.Context(), desk.AccessRequest{Kind: event.RequestGrant, Role: "payments-approver", For: "1001", Reason: "x", Duration: time.Hour}, operator)
	if err != nil {
		t.Fatal(err)
	}
	sent := desktest.Written[event.AccessRequest](t, w, event.AccessRequests)
	if len(sent) != 1 || sent[0].ID != got.ID || sent[0].IdentityID != "id-ana" || sent[0].Requester != "operator" || sent[0].DurationMS != 3600_000 {
		t.Errorf("written %+v", sent)
	}
}

func TestABadLineIsNamedByNumberAndNothingOfTheFileIsProduced(t *testing.T) {
	t.Parallel()
	good := `{"id":"r-1","source":"hr","source_key":"1001","recorded_at":"2026-03-02T08:00:00Z","person":{"given_name":"Ana"}}`
	for name, c := range map[string]struct{ lines, says string }{
		"not JSON":     {good + "\n\n{", "line 3"},
		"no source":    {good + "\n" + `{"id":"r-2","source_key":"1001","recorded_at":"2026-03-02T08:00:00Z"}`, `line 2: encode JSON for jml.source.record.v1: field "source" is missing`},
		"empty key":    {`{"id":"r-2","source":"hr","source_key":"","recorded_at":"2026-03-02T08:00:00Z"}`, `line 1: "source_key" must not be empty`},
		"unknown word": {strings.Replace(good, "given_name", "givenname", 1), `line 1`},
		"too long":     {good + "\n" + strings.Repeat("x", 2<<20), "line 2: longer than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := desktest.New(t)
			_, err := w.Desk.Produce(t.Context(), event.SourceRecords, strings.NewReader(c.lines), false)
			wantFault(t, err, desk.Invalid, c.says)
			if sent := desktest.Written[event.SourceRecord](t, w, event.SourceRecords); len(sent) != 0 {
				t.Errorf("%d records were produced", len(sent))
			}
		})
	}
}

func TestProducedRecordsAreKeyedBySourceAndWorker(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	got, err := w.Desk.Produce(t.Context(), event.SourceRecords, strings.NewReader(
		`{"id":"r-1","source":"hr","source_key":"1001","recorded_at":"2026-03-02","sequence":4}`+"\n"+
			`{"id":"r-2","source":"hr","source_key":"1002","recorded_at":"2026-03-02T08:00:00Z","kind":"terminate"}`+"\n"), false)
	if err != nil || got.Produced != 2 {
		t.Fatalf("produced %+v, %v", got, err)
	}
	records, err := w.Journal.Last(t.Context(), event.SourceRecords, 10)
	if err != nil || records[0].Key != "hr/1001" || records[1].Key != "hr/1002" {
		t.Errorf("keys of %+v, %v", records, err)
	}
	sent := desktest.Written[event.SourceRecord](t, w, event.SourceRecords)
	if sent[0].Kind != event.Upsert || *sent[0].Sequence != 4 || sent[1].Kind != event.Terminate {
		t.Errorf("written %+v", sent)
	}
	_, err = w.Desk.Produce(t.Context(), event.ApprovalCommands, strings.NewReader("{}"), false)
	wantFault(t, err, desk.Invalid, "not for people")
}

func TestASweepEndsWhenEveryPartitionHas(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	drift := func(partition int32, kind event.Kind, class string, set func(*event.DriftEvent)) {
		e := event.DriftEvent{Meta: event.Meta{EventID: event.EventID(fmt.Sprintf("e-%d-%s-%s", partition, kind, class)), Kind: kind, Account: "ana.berg", OccurredAt: desktest.Start}, SweepID: "act-new-1", Drift: class}
		set(&e)
		w.Journal.Put(t, event.DriftEvents, partition, &e)
	}
	count := func(n int) func(*event.DriftEvent) { return func(e *event.DriftEvent) { e.Count = n } }
	w.Journal.Answer = func(desk.Outgoing) { // the reconciler
		drift(0, event.DriftReported, "swept", func(e *event.DriftEvent) { e.SweepID, e.Count = "another sweep", 99 })
		drift(0, event.DriftFound, "missing", func(e *event.DriftEvent) { e.Action, e.Items = "repair", []string{"group/a"} })
		drift(0, event.ExceptionOpened, "missing", count(0))
		drift(0, event.DriftReported, "swept", count(4))
		drift(1, event.DriftReported, "swept", count(3))
		drift(2, event.DriftReported, "swept", count(2))
	}
	got, err := w.Desk.Reconcile(t.Context(), "chat", "by hand", false, boss)
	if err != nil {
		t.Fatal(err)
	}
	if got.Outcome != "swept" || got.Compared != 9 || got.Partitions != 3 || len(got.Findings) != 1 || got.Findings[0].Class != "missing" {
		t.Errorf("got %+v", got)
	}
	sent := desktest.Written[event.SweepCommand](t, w, event.SweepCommands)
	if len(sent) != desktest.Partitions || sent[0].Target != "chat" || sent[0].Reason != "demand: by hand" || sent[0].Actor != "id-boss" {
		t.Errorf("commands %+v", sent)
	}
}

func TestASweepThatNobodyEndsTellsHowFarItGot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := desktest.New(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := w.Desk.Reconcile(ctx, "chat", "", false, boss)
		wantFault(t, err, desk.Timeout, "3 of 3 partitions")
	})
}

func TestAFaultyPolicyIsNotPublished(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	bad := []config.File{{Name: "policy/acme.yaml", Data: []byte("apiVersion: joinery/v1\nkind: Policy\nmetadata: {name: acme}\nspec: {rolls: {}}\n")}}
	_, err := w.Desk.Publish(t.Context(), desk.Publishing{Files: bad, Reason: "x"}, boss)
	wantFault(t, err, desk.Invalid, "not fit")
	var f *desk.Fault
	if errors.As(err, &f); len(f.Items) != 1 || !strings.HasPrefix(f.Items[0], "policy/acme.yaml:4:8: ") {
		t.Errorf("findings %q", f.Items)
	}
	if len(w.Active) != 0 {
		t.Error("it was put in force")
	}
}

func TestThePolicyInForceIsNotPublishedAgain(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	got, err := w.Desk.Publish(t.Context(), desk.Publishing{Files: desktest.Files, Reason: "x"}, boss)
	if err != nil || got.Changed || len(w.Active) != 0 {
		t.Errorf("got %+v, %v; put in force %d times", got, err, len(w.Active))
	}
	w.Policy.Activation(1, event.PolicyActivation{Hash: "older", At: desktest.Start.Add(-time.Hour)})
	if got, err = w.Desk.Publish(t.Context(), desk.Publishing{Files: desktest.Files, Reason: "x"}, boss); err != nil || !got.Changed || len(w.Active) != 1 {
		t.Errorf("with a partition left behind: got %+v, %v; put in force %d times", got, err, len(w.Active))
	}
}

func TestStatusNamesWhatDoesNotAnswerAndShowsTheRest(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	w.Approval("act-1", "id-boss")
	if s := w.Desk.Status(t.Context()); s.State != "ok" || s.People != 3 || s.ApprovalsOpen != 1 || s.Evidence.Rows != 12 || len(s.Lag) != 1 {
		t.Errorf("got %+v", s)
	}
	w.Archive.Down = true
	if s := w.Desk.Status(t.Context()); s.State != "degraded" || s.Evidence != nil || len(s.Faults) != 1 || len(s.Lag) != 1 {
		t.Errorf("without evidence: %+v", s)
	}
}

func TestStatusNamesTheSourcesThatAreSilent(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	file := config.File{Name: "sources/all.yaml", Data: []byte("apiVersion: joinery/v1\nkind: Source\nmetadata: {name: hr}\n" +
		"spec: {authority: employment, intake: {records: {}}, expectEvery: 24h}\n---\n" +
		"apiVersion: joinery/v1\nkind: Source\nmetadata: {name: soc}\nspec: {authority: signal, intake: {records: {}}}\n")}
	w.Policy.Bundle(event.PolicyBundle{Hash: "later", Files: map[string]string{file.Name: string(file.Data)}})
	w.Policy.Activation(0, event.PolicyActivation{Hash: "later", At: desktest.Start.Add(time.Second)})
	for heard, want := range map[time.Duration]bool{time.Hour: false, 25 * time.Hour: true} {
		w.Archive.Heard = map[string]time.Time{"hr": w.Desk.ReadClock().Now.Add(-heard)}
		s := w.Desk.Status(t.Context())
		if len(s.Sources) != 2 || s.Sources[0].Silent != want || s.Sources[1].Silent || slices.Contains(s.Silent, "hr") != want {
			t.Errorf("heard %s ago: %+v", heard, s)
		}
	}
}

func TestAccessAtOneTimeIsAsKnownNow(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	at := desktest.Start.Add(-24 * time.Hour)
	if _, err := w.Desk.Access(t.Context(), "1001", desk.AsOf{At: at}); err != nil {
		t.Fatal(err)
	}
	if a := w.Archive.Asked; !a.At.Equal(at) || !a.Known.Equal(desktest.Start) {
		t.Errorf("asked for %s as known at %s", a.At, a.Known)
	}
}

func TestOnlyADevelopmentClockMovesAndOnlyAhead(t *testing.T) {
	t.Parallel()
	w := desktest.New(t)
	_, err := w.Desk.MoveClock(-time.Hour, false)
	wantFault(t, err, desk.Invalid, "ahead")
	if got, err := w.Desk.MoveClock(36*time.Hour, false); err != nil || !got.Now.Equal(desktest.Start.Add(36*time.Hour)) {
		t.Errorf("got %+v, %v", got, err)
	}
	w.Desk.Advance = nil
	_, err = w.Desk.MoveClock(time.Hour, false)
	wantFault(t, err, desk.Forbidden, "real time")
}

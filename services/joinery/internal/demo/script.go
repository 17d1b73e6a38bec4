package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"joinery.internal/pkg/event"
	"joinery.internal/services/demoapp"
	"joinery.internal/services/example"
)

// The cast: people of the script, beside the company's 300.
const (
	nora  = "2001" // joins in three days
	felix = "2002" // of Finance, moves to Sales
	tessa = "2003" // is transferred to London
	conny = "2004" // a contractor whose contract ends
	pia   = "2005" // of Finance, asks for a privileged role
	rita  = "2006" // leaves and comes back
	theo  = "2007" // leaves
	emil  = "2008" // his account is taken over
	otto  = "2009" // joins while the wiki is down
	willa = "2010" // joins by a record that was broken
)

const day = 24 * time.Hour

// prague is the beginning of a day of June in Prague, where the cast lives.
func prague(day int) time.Time { return time.Date(2026, time.June, day-1, 22, 0, 0, 0, time.UTC) }

func (s *story) steps() []step {
	return []step{
		{"300 workers are hired through the source topic and have their accounts in three targets", s.hireCompany},
		{"eight more join: employees of four departments, and a contractor", s.castJoins},
		{"Nora is hired three days ahead: her chat account exists, disabled; none elsewhere", s.noraIsHired},
		{"Felix moves from Finance to Sales: Sales at once, the ERP reader role kept for 14 days", s.felixMoves},
		{"Tessa is transferred to London with a new title: same access, the title follows", s.tessaMoves},
		{"Pia asks for the privileged payments-approver; her manager and the owner approve", s.piaAsks},
		{"Theo leaves today: every account disabled, every entitlement gone", s.theoLeaves},
		{"Emil's account is taken over: the SOC's signal disables him everywhere, HR notwithstanding", s.emilIsStopped},
		{"the wiki goes down; Otto joins; it comes back: his account is there within seconds", s.ottoJoinsInAnOutage},
		{"Rita leaves and is rehired four days later: the same accounts, enabled again", s.ritaComesBack},
		{"a broken source writes bytes that are no record: they wait as a dead letter, all else flows", s.poison},
		{"somebody corrects and replays them: Willa, whom they were about, has her accounts", s.willaIsReplayed},
		{"three days pass: Nora's first day has come, her accounts are active", s.noraStarts},
		{"nine more days pass: Conny's contract is over, the accounts are disabled", s.connyEnds},
		{"two more days pass: Felix's grace is over, the ERP reader role is gone", s.felixGraceEnds},
		{"nothing was created twice in any target", s.nothingTwice},
		{"every case is closed", s.everyCaseIsClosed},
		{"the evidence is complete and unaltered, by its own proof", s.evidenceIsWhole},
	}
}

func (s *story) hireCompany(ctx context.Context) error {
	workers := s.company.Workers
	if err := s.produce(ctx, s.company.Records()...); err != nil {
		return err
	}
	var want []account
	for _, w := range workers {
		want = append(want, expected(w)...)
	}
	return s.expect(ctx, want...)
}

// expected is what a worker who simply works has, by the company's policy.
func expected(w *example.Worker) []account {
	id := identity(w.EmployeeNumber)
	chat := account{target: "chat", person: id, enabled: true, has: []string{"group/everyone"}}
	if w.WorkerType == "contractor" {
		chat.has = []string{"group/contractors"}
	}
	all := []account{chat}
	if w.WorkerType == "employee" {
		all = append(all, account{target: "wiki", person: id, enabled: true, has: []string{"group/readers"}})
	}
	if w.Department == "Finance" {
		all = append(all, account{target: "erp", person: id, enabled: true, has: []string{"role/reader"}})
	}
	return all
}

// hr makes a record of the HR system about one of the cast.
func (s *story) hr(number string, kind event.RecordKind, effective, reason string, p *event.Profile) event.SourceRecord {
	s.ids++
	s.seqs[number]++
	seq := s.seqs[number]
	return event.SourceRecord{ID: fmt.Sprintf("hr-demo-%04d", s.ids), Source: "hr", SourceKey: "W" + number, Sequence: &seq, RecordedAt: s.company.Today(),
		EffectiveAt: effective, Kind: kind, Reason: reason, Person: p}
}

func person(number, given, family, department, title string) *event.Profile {
	return &event.Profile{EmployeeNumber: number, GivenName: given, FamilyName: family, DisplayName: given + " " + family, Email: "w" + number + "@acme.example",
		Department: department, Title: title, Company: "Acme", Location: "Prague", Timezone: "Europe/Prague", Manager: "1002", WorkerType: "employee", StartDate: "2026-05-04"}
}

func cast() map[string]*event.Profile {
	conny := person(conny, "Conny", "Wirth", "Engineering", "Consultant")
	conny.WorkerType, conny.EndDate = "contractor", "2026-06-12"
	return map[string]*event.Profile{
		felix: person(felix, "Felix", "Marek", "Finance", "Analyst"), tessa: person(tessa, "Tessa", "Lind", "Operations", "Coordinator"), conny.EmployeeNumber: conny,
		pia: person(pia, "Pia", "Sommer", "Finance", "Senior Analyst"), rita: person(rita, "Rita", "Øster", "Sales", "Specialist"),
		theo: person(theo, "Theo", "Brandt", "Finance", "Analyst"), emil: person(emil, "Emil", "Dvořák", "Engineering", "Engineer"),
	}
}

func (s *story) castJoins(ctx context.Context) error {
	var want []account
	for _, number := range []string{felix, tessa, conny, pia, rita, theo, emil} {
		p := cast()[number]
		if err := s.produce(ctx, s.hr(number, event.Upsert, "", "new_hire", p)); err != nil {
			return err
		}
		want = append(want, expected(&example.Worker{Profile: *p})...)
	}
	return s.expect(ctx, want...)
}

func (s *story) noraIsHired(ctx context.Context) error {
	p := person(nora, "Nora", "Quill", "Engineering", "Engineer")
	p.StartDate = "2026-06-04"
	if err := s.produce(ctx, s.hr(nora, event.Upsert, "", "new_hire", p)); err != nil {
		return err
	}
	return s.expect(ctx, account{target: "chat", person: identity(nora), enabled: false}, account{target: "wiki", person: identity(nora), absent: true})
}

func (s *story) noraStarts(ctx context.Context) error {
	if err := s.advanceTo(ctx, prague(4)); err != nil {
		return err
	}
	return s.expect(ctx, account{target: "chat", person: identity(nora), enabled: true, has: []string{"group/everyone", "group/engineering"}},
		account{target: "wiki", person: identity(nora), enabled: true, has: []string{"group/engineering"}})
}

func (s *story) felixMoves(ctx context.Context) error {
	p := cast()[felix]
	p.Department = "Sales"
	if err := s.produce(ctx, s.hr(felix, event.Upsert, "", "reorganisation", p)); err != nil {
		return err
	}
	var err error
	if s.felixMoved, err = s.now(ctx); err != nil {
		return err
	}
	return s.expect(ctx, account{target: "chat", person: identity(felix), enabled: true, has: []string{"group/sales", "group/everyone"}},
		account{target: "erp", person: identity(felix), enabled: true, has: []string{"role/reader"}})
}

func (s *story) felixGraceEnds(ctx context.Context) error {
	if err := s.advanceTo(ctx, s.felixMoved.Add(14*day)); err != nil {
		return err
	}
	return s.expect(ctx, account{target: "chat", person: identity(felix), enabled: true, has: []string{"group/sales"}},
		account{target: "erp", person: identity(felix), enabled: false, lacks: []string{"role/reader"}})
}

func (s *story) tessaMoves(ctx context.Context) error {
	p := cast()[tessa]
	p.Location, p.Timezone, p.Title = "London", "Europe/London", "Senior Coordinator"
	if err := s.produce(ctx, s.hr(tessa, event.Upsert, "", "transfer", p)); err != nil {
		return err
	}
	return s.expect(ctx, account{target: "chat", person: identity(tessa), enabled: true, has: []string{"group/operations"}, attrs: map[string]string{"title": p.Title}})
}

func (s *story) piaAsks(ctx context.Context) error {
	var receipt struct{ ID string }
	ask := map[string]string{"kind": "grant", "role": "payments-approver", "for": pia, "reason": "quarter-end closing", "duration": "30d"}
	if err := s.api(ctx, "POST", "/requests", pia, ask, &receipt); err != nil {
		return err
	}
	for _, approver := range []string{"1002", "1001"} { // her manager, then the role's owner
		if err := s.approve(ctx, approver, "payments-approver"); err != nil {
			return err
		}
	}
	return s.expect(ctx, account{target: "erp", person: identity(pia), enabled: true, has: []string{"role/payments-approver", "role/reader"}})
}

// approve waits for the decision to reach the approver's inbox, and approves it.
func (s *story) approve(ctx context.Context, approver, role string) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		var inbox struct {
			Items []struct{ ID, Role string }
		}
		if err := s.api(ctx, "GET", "/approvals?mine=true", approver, nil, &inbox); err != nil {
			return err
		}
		for _, a := range inbox.Items {
			if a.Role == role {
				return s.api(ctx, "POST", "/approvals/"+a.ID+"/approve", approver, map[string]string{"reason": "needed for the closing"}, nil)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return fmt.Errorf("no request for %s reached the inbox of %s", role, approver)
}

func gone(number string, targets ...string) (all []account) {
	for _, t := range targets {
		all = append(all, account{target: t, person: identity(number), enabled: false, lacks: []string{"role/reader", "group/everyone", "group/readers"}})
	}
	return all
}

func (s *story) theoLeaves(ctx context.Context) error {
	if err := s.produce(ctx, s.hr(theo, event.Terminate, "2026-05-31", "resignation", nil)); err != nil {
		return err
	}
	return s.expect(ctx, gone(theo, "chat", "wiki", "erp")...)
}

func (s *story) emilIsStopped(ctx context.Context) error {
	signal := event.SourceRecord{ID: "soc-0001", Source: "soc", SourceKey: "alert-4711", RecordedAt: s.company.Today(), Kind: event.Emergency,
		Reason: "account_takeover", Person: &event.Profile{EmployeeNumber: emil}}
	if err := s.produce(ctx, signal); err != nil {
		return err
	}
	if err := s.expect(ctx, gone(emil, "chat", "wiki")...); err != nil {
		return err
	}
	p := cast()[emil]
	p.Title = "Lead Engineer" // HR knows nothing of it and sends an ordinary change
	if err := s.produce(ctx, s.hr(emil, event.Upsert, "", "promotion", p)); err != nil {
		return err
	}
	return s.expect(ctx, gone(emil, "chat", "wiki")...)
}

func (s *story) ottoJoinsInAnOutage(ctx context.Context) error {
	if err := s.switchTo(ctx, "wiki", demoapp.Down); err != nil {
		return err
	}
	p := person(otto, "Otto", "Weiß", "Engineering", "Engineer")
	if err := s.produce(ctx, s.hr(otto, event.Upsert, "", "new_hire", p)); err != nil {
		return err
	}
	if err := s.expect(ctx, account{target: "chat", person: identity(otto), enabled: true, has: []string{"group/engineering"}}); err != nil {
		return err
	}
	if err := s.switchTo(ctx, "wiki", demoapp.Up); err != nil {
		return err
	}
	return s.expect(ctx, account{target: "wiki", person: identity(otto), enabled: true, has: []string{"group/engineering"}})
}

func (s *story) ritaComesBack(ctx context.Context) error {
	if err := s.produce(ctx, s.hr(rita, event.Terminate, "2026-05-31", "resignation", nil)); err != nil {
		return err
	}
	if err := s.expect(ctx, gone(rita, "chat", "wiki")...); err != nil {
		return err
	}
	before, err := s.accountOf(ctx, "chat", identity(rita))
	if err != nil {
		return err
	}
	p := cast()[rita]
	p.StartDate = "2026-06-01"
	if err := s.produce(ctx, s.hr(rita, event.Upsert, "2026-06-01", "rehire", p)); err != nil {
		return err
	}
	if err := s.expect(ctx, account{target: "chat", person: identity(rita), enabled: true, has: []string{"group/sales", "group/everyone"}},
		account{target: "wiki", person: identity(rita), enabled: true}); err != nil {
		return err
	}
	after, err := s.accountOf(ctx, "chat", identity(rita))
	if err == nil && after.ID != before.ID {
		s.wrong = append(s.wrong, fmt.Sprintf("Rita has the account %s, not her old %s", after.ID, before.ID))
	}
	return err
}

func (s *story) accountOf(ctx context.Context, target string, id event.IdentityID) (demoapp.Account, error) {
	snap, err := s.look(ctx, target)
	if err != nil {
		return demoapp.Account{}, err
	}
	for _, a := range snap.Accounts {
		if a.ExternalID == string(id) {
			return a, nil
		}
	}
	return demoapp.Account{}, fmt.Errorf("%s has no account in %s", id, target)
}

// poison writes to the source topic past the API, as a broken producer would.
func (s *story) poison(ctx context.Context) error {
	cl, err := kgo.NewClient(kgo.SeedBrokers(s.ready.Kafka))
	if err != nil {
		return err
	}
	defer cl.Close()
	r := &kgo.Record{Topic: string(event.SourceRecords), Key: []byte("hr/W" + willa), Value: []byte("{this is no Avro}")}
	if err := cl.ProduceSync(ctx, r).FirstErr(); err != nil {
		return fmt.Errorf("write poison: %w", err)
	}
	_, err = s.deadLetter(ctx, "open")
	return err
}

// deadLetter waits for the one letter there is to be in a state, and gives its id.
func (s *story) deadLetter(ctx context.Context, state string) (id string, _ error) {
	err := s.until(ctx, "the poison record is a dead letter that is "+state, func() (bool, error) {
		var letters struct {
			Items []struct{ ID, Topic string }
		}
		err := s.api(ctx, "GET", "/dlq?state="+state, "", nil, &letters)
		found := len(letters.Items) == 1 && letters.Items[0].Topic == string(event.SourceRecords)
		if found {
			id = letters.Items[0].ID
		}
		return found, err
	})
	return id, err
}

func (s *story) willaIsReplayed(ctx context.Context) error {
	id, err := s.deadLetter(ctx, "open")
	if err != nil || id == "" {
		return err
	}
	p := person(willa, "Willa", "Horn", "Sales", "Specialist")
	corrected, err := json.Marshal(s.hr(willa, event.Upsert, "", "new_hire", p))
	if err != nil {
		return fmt.Errorf("encode the corrected record: %w", err)
	}
	body := map[string]any{"reason": "the producer's serializer was missing", "value": json.RawMessage(corrected)}
	if err := s.api(ctx, "POST", "/dlq/"+id+"/replay", "1000", body, nil); err != nil {
		return err
	}
	if err := s.expect(ctx, expected(&example.Worker{Profile: *p})...); err != nil {
		return err
	}
	_, err = s.deadLetter(ctx, "resolved")
	return err
}

func (s *story) connyEnds(ctx context.Context) error {
	if err := s.advanceTo(ctx, prague(13)); err != nil {
		return err
	}
	return s.expect(ctx, gone(conny, "chat")...)
}

func (s *story) nothingTwice(ctx context.Context) error {
	var errs []error
	for _, target := range []string{"chat", "wiki", "erp"} {
		snap, err := s.look(ctx, target)
		errs = append(errs, err)
		for id, n := range snap.CreatesByExternalID {
			s.checks++
			if n != 1 {
				s.wrong = append(s.wrong, fmt.Sprintf("%s was created %d times in %s", id, n, target))
			}
		}
	}
	return errors.Join(errs...)
}

func (s *story) evidenceIsWhole(ctx context.Context) error {
	s.checks++
	var found struct {
		Whole  bool
		Faults []struct{ Topic, Fault string }
	}
	if err := s.api(ctx, "GET", "/verify", "", nil, &found); err != nil {
		return err
	}
	for _, f := range found.Faults {
		s.wrong = append(s.wrong, f.Topic+": "+f.Fault)
	}
	return nil
}

package example

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"joinery.internal/pkg/event"
)

// Worker is one human of the company as the HR system knows them, and what should be true of them after all records.
type Worker struct {
	event.Profile
	Sequence  int64
	Ended     bool // no live employment
	OnLeave   bool
	Emergency bool
}

// Company is a company under construction: each method that makes records also moves its workers on.
type Company struct {
	Workers []*Worker
	rng     *rand.Rand
	now     time.Time // the time of the next record
	next    int       // the next employee number
	ids     int
	records []event.SourceRecord
}

// Size is how many workers the company has at its start.
const Size = 300

// Start is the first day of the company's scripted month.
var Start = time.Date(2026, time.June, 1, 7, 0, 0, 0, time.UTC)

var (
	departments = []string{"Engineering", "Sales", "Finance", "Operations", "People"}
	given       = []string{"Ada", "Bruno", "Chiara", "Daniel", "Eliška", "Farid", "Greta", "Hana", "Ivo", "Jana", "Karel", "Lucía", "Marek", "Nadia", "Olaf",
		"Petra", "Quentin", "Rosa", "Søren", "Tereza", "Ugo", "Věra", "Wanda", "Xenia", "Yara", "Zdeněk", "Åsa", "Benoît", "Françoise", "Jürgen"}
	family = []string{"Novák", "Svobodová", "Dvořák", "Černá", "Procházka", "Kučera", "Veselý", "Horák", "Němec", "Marek", "Pospíšil", "Hájek", "Jelínek", "Růžička",
		"Smith", "Jones", "Taylor", "Brown", "Walker", "Hughes", "O'Neill", "García", "López", "Müller", "Weiß", "Dubois", "Łukasik", "Ødegård", "Rossi", "Van Dyk"}
	titles = []string{"Analyst", "Engineer", "Specialist", "Coordinator", "Consultant", "Senior Analyst", "Senior Engineer"}
	places = []struct{ name, zone string }{{"Prague", "Europe/Prague"}, {"Brno", "Europe/Prague"}, {"London", "Europe/London"}, {"New York", "America/New_York"}}
)

// New makes the company with its Size workers hired: employees and contractors, managers to five levels, four
// locations in three time zones. Take Records for what the HR system says of it.
func New(seed uint64) *Company {
	c := &Company{rng: rand.New(rand.NewPCG(seed, 1)), now: Start.AddDate(0, 0, -7), next: 1000}
	c.hire("", "Chief Executive", "Operations", "employee")
	c.hire("1000", "Chief Financial Officer", "Finance", "employee")
	levels := [][]*Worker{c.Workers[:1]}
	for _, size := range []int{5, 15, 45} {
		var level []*Worker
		for i := range size {
			boss := levels[len(levels)-1][i%len(levels[len(levels)-1])]
			level = append(level, c.hire(boss.EmployeeNumber, "Manager", departments[i%len(departments)], "employee"))
		}
		levels = append(levels, level)
	}
	managers := levels[len(levels)-1]
	for i := 0; len(c.Workers) < Size; i++ {
		kind := "employee"
		if i%6 == 5 {
			kind = "contractor"
		}
		title := titles[c.rng.IntN(len(titles))]
		boss := managers[i%len(managers)]
		if i < 4 {
			title = "Identity Engineer"
		}
		c.hire(boss.EmployeeNumber, title, boss.Department, kind)
	}
	return c
}

// Records returns what was said since the last call, in the order it was said.
func (c *Company) Records() []event.SourceRecord {
	out := c.records
	c.records = nil
	return out
}

func (c *Company) hire(manager, title, department, kind string) *Worker {
	place := places[c.rng.IntN(len(places))]
	n := strconv.Itoa(c.next)
	c.next++
	g, f := given[c.rng.IntN(len(given))], family[c.rng.IntN(len(family))]
	w := &Worker{Profile: event.Profile{
		EmployeeNumber: n, GivenName: g, FamilyName: f, DisplayName: g + " " + f, Email: "w" + n + "@acme.example",
		Title: title, Department: department, Company: "Acme", CostCentre: "CC" + strconv.Itoa(100+slices.Index(departments, department)),
		Location: place.name, Timezone: place.zone, Manager: manager, WorkerType: kind,
		StartDate: Start.AddDate(0, 0, -30-c.rng.IntN(1500)).Format(time.DateOnly),
	}}
	if kind == "contractor" {
		w.StartDate = Start.AddDate(0, 0, -10-c.rng.IntN(60)).Format(time.DateOnly)
		w.EndDate = Start.AddDate(0, 0, 60+c.rng.IntN(120)).Format(time.DateOnly)
	}
	c.Workers = append(c.Workers, w)
	c.say(w, event.Upsert, "", "new_hire")
	return w
}

// say makes the HR system emit the worker as they are now.
func (c *Company) say(w *Worker, kind event.RecordKind, effective, reason string) {
	w.Sequence++
	seq := w.Sequence
	c.ids++
	c.now = c.now.Add(time.Duration(1+c.rng.IntN(90)) * time.Second)
	r := event.SourceRecord{ID: fmt.Sprintf("hr-%06d", c.ids), Source: "hr", SourceKey: "W" + w.EmployeeNumber, Sequence: &seq,
		RecordedAt: c.now, EffectiveAt: effective, Kind: kind, Reason: reason}
	if kind == event.Upsert {
		p := w.Clone()
		r.Person = &p
	}
	c.records = append(c.records, r)
}

// pick chooses a worker the condition holds for, none of the top.
func (c *Company) pick(ok func(*Worker) bool) *Worker {
	for {
		w := c.Workers[10+c.rng.IntN(len(c.Workers)-10)]
		if !w.Emergency && ok(w) {
			return w
		}
	}
}

func working(w *Worker) bool { return !w.Ended && !w.OnLeave }

func employed(w *Worker) bool {
	return working(w) && w.WorkerType == "employee" && w.Title != "Manager"
}

func contracted(w *Worker) bool { return working(w) && w.WorkerType == "contractor" }

// MonthSize is how many records Month makes.
const MonthSize = 400

// Month lets a month pass with 400 events of every kind, spread over its days.
func (c *Company) Month() {
	script := slices.Concat(
		repeat(45, c.joiner), repeat(60, c.departmentChange), repeat(70, c.transfer), repeat(60, c.profileChange), repeat(20, c.extendContract),
		repeat(10, c.endContract), repeat(35, c.leaver), repeat(8, c.leave), repeat(12, c.rehire), repeat(3, c.emergency),
		repeat(25, c.duplicate), repeat(15, c.stale), repeat(20, c.phonebook))
	c.rng.Shuffle(len(script), func(i, j int) { script[i], script[j] = script[j], script[i] })
	begin := len(c.records)
	for i := 0; len(c.records)-begin < MonthSize; i++ {
		day := Start.AddDate(0, 0, 28*i/len(script))
		if c.now.Before(day) {
			c.now = day.Add(time.Duration(c.rng.IntN(8)) * time.Hour)
		}
		script[i%len(script)]()
	}
	c.records = c.records[:begin+MonthSize]
}

func repeat(n int, f func()) []func() { return slices.Repeat([]func(){f}, n) }

func (c *Company) today() string { return c.now.Format(time.DateOnly) }

func (c *Company) joiner() {
	boss := c.pick(employed)
	w := c.hire(boss.EmployeeNumber, titles[c.rng.IntN(len(titles))], departments[c.rng.IntN(len(departments))], "employee")
	w.StartDate = c.today()
	c.records[len(c.records)-1].Person.StartDate = w.StartDate
}

func (c *Company) departmentChange() {
	w := c.pick(employed)
	w.Department = departments[(slices.Index(departments, w.Department)+1+c.rng.IntN(len(departments)-1))%len(departments)]
	c.say(w, event.Upsert, c.today(), "reorganisation")
}

func (c *Company) transfer() {
	w := c.pick(working)
	place := places[c.rng.IntN(len(places))]
	w.Location, w.Timezone = place.name, place.zone
	w.Title = titles[c.rng.IntN(len(titles))]
	c.say(w, event.Upsert, c.today(), "transfer")
}

func (c *Company) profileChange() {
	w := c.pick(working)
	w.FamilyName = family[c.rng.IntN(len(family))]
	w.DisplayName = w.GivenName + " " + w.FamilyName
	c.say(w, event.Upsert, "", "name_change")
}

func (c *Company) extendContract() {
	w := c.pick(contracted)
	w.EndDate = Start.AddDate(0, 0, 90+c.rng.IntN(120)).Format(time.DateOnly)
	c.say(w, event.Upsert, "", "extension")
}

func (c *Company) endContract() {
	w := c.pick(contracted)
	w.EndDate = c.now.AddDate(0, 0, -1).Format(time.DateOnly)
	w.Ended = true
	c.say(w, event.Upsert, "", "contract_end")
}

func (c *Company) leaver() {
	w := c.pick(employed)
	w.Ended = true
	c.say(w, event.Terminate, c.now.AddDate(0, 0, -1).Format(time.DateOnly), "resignation")
}

func (c *Company) leave() {
	w := c.pick(employed)
	w.OnLeave = true
	c.say(w, event.Suspend, c.today(), "parental_leave")
	if c.rng.IntN(2) == 0 {
		w.OnLeave = false
		c.say(w, event.Resume, c.today(), "returned")
	}
}

func (c *Company) rehire() {
	w := c.pick(func(w *Worker) bool { return w.Ended && w.WorkerType == "employee" || employed(w) })
	if !w.Ended { // nobody has left yet: let them
		w.Ended = true
		c.say(w, event.Terminate, c.now.AddDate(0, 0, -2).Format(time.DateOnly), "resignation")
	}
	w.Ended = false
	w.StartDate, w.EndDate = c.today(), ""
	w.Department = departments[c.rng.IntN(len(departments))]
	c.say(w, event.Upsert, c.today(), "rehire")
}

func (c *Company) emergency() {
	w := c.pick(employed)
	w.Emergency = true
	c.foreign("soc", w, event.Emergency, nil, "account_takeover")
}

// duplicate lets the HR system send a record again, to the letter.
func (c *Company) duplicate() {
	if len(c.records) > 0 {
		c.records = append(c.records, c.records[c.rng.IntN(len(c.records))])
	}
}

// stale lets an old version of a worker arrive late, under an id of its own.
func (c *Company) stale() {
	w := c.pick(func(w *Worker) bool { return working(w) && w.Sequence > 1 })
	old := w.Clone()
	old.Title = "Trainee"
	c.ids++
	seq := int64(0)
	c.records = append(c.records, event.SourceRecord{ID: fmt.Sprintf("hr-%06d", c.ids), Source: "hr", SourceKey: "W" + w.EmployeeNumber, Sequence: &seq,
		RecordedAt: Start.AddDate(-1, 0, 0), Kind: event.Upsert, Person: &old, Reason: "late"})
}

func (c *Company) phonebook() {
	w := c.pick(working)
	w.Phone = fmt.Sprintf("+420 555 %03d %03d", c.rng.IntN(1000), c.rng.IntN(1000))
	c.foreign("phonebook", w, event.Upsert, &event.Profile{EmployeeNumber: w.EmployeeNumber, Email: w.Email, Phone: w.Phone}, "")
}

func (c *Company) foreign(source string, w *Worker, kind event.RecordKind, p *event.Profile, reason string) {
	c.ids++
	c.now = c.now.Add(time.Minute)
	if p == nil {
		p = &event.Profile{EmployeeNumber: w.EmployeeNumber, Email: w.Email}
	}
	c.records = append(c.records, event.SourceRecord{ID: fmt.Sprintf("%s-%06d", source, c.ids), Source: source, SourceKey: strings.ToLower(source) + w.EmployeeNumber,
		RecordedAt: c.now, Kind: kind, Person: p, Reason: reason})
}

// Today is the company's present, for records that others make of it.
func (c *Company) Today() time.Time { return Start }

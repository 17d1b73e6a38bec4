package app_test

import (
	"fmt"
	"math/rand/v2"
	"time"

	"joinery.internal/pkg/event"
)

// A history is what a company's HR system says of its workers over five years, day by day: hires, moves, new numbers and
// titles, leaves, contracts that are extended, ends, rehires. 2 % of the records arrive late, 1 % correct the one before,
// 1 % arrive after a later one of the same worker. The same seed makes the same history.
type history struct {
	r       *rand.Rand
	workers []worker
	due     [][]int32              // workers to whom something happens, by day
	late    [][]event.SourceRecord // by day of arrival
	day     int
}

const historyDays = 5 * 365

// historyEnd is the day the history is loaded.
var historyEnd = time.Date(2026, 2, 1, 9, 0, 0, 0, time.UTC)

type worker struct {
	seq, department, title, phone, manager int
	start, end                             int // days; end 0: open
	contractor, away, gone                 bool
}

func newHistory(workers int) *history {
	h := &history{r: rand.New(rand.NewPCG(1, uint64(workers))), workers: make([]worker, workers), due: make([][]int32, historyDays), late: make([][]event.SourceRecord, historyDays)}
	for i := range h.workers {
		w := &h.workers[i]
		w.department, w.contractor = h.r.IntN(40), h.r.IntN(8) == 0
		if w.start = 1; i > workers/2 { // half were there when the history began
			w.start = 1 + h.r.IntN(historyDays-200)
		}
		h.happens(int32(i), w.start)
	}
	return h
}

func (h *history) happens(i int32, day int) {
	if day < historyDays {
		h.due[day] = append(h.due[day], i)
	}
}

// next is what arrives on the next day; nil and false at the end.
func (h *history) next() ([]event.SourceRecord, bool) {
	if h.day++; h.day >= historyDays {
		return nil, false
	}
	out := h.late[h.day]
	h.late[h.day] = nil
	for _, i := range h.due[h.day] {
		for _, rec := range h.turn(i) {
			switch n := h.r.IntN(100); {
			case n < 2:
				h.delay(rec, 1+h.r.IntN(30))
			case n < 3: // later than what happens next
				h.delay(rec, 150+h.r.IntN(100))
			default:
				out = append(out, rec)
			}
		}
	}
	return out, true
}

func (h *history) delay(rec event.SourceRecord, days int) {
	at := min(h.day+days, historyDays-1)
	h.late[at] = append(h.late[at], rec)
}

func date(day int) string { return historyEnd.AddDate(0, 0, day-historyDays).Format(time.DateOnly) }

// turn is what happens to a worker today.
func (h *history) turn(i int32) []event.SourceRecord {
	w := &h.workers[i]
	h.happens(i, h.day+20+h.r.IntN(200))
	switch n := h.r.IntN(100); {
	case w.seq == 0: // hired
	case w.gone && n < 85:
		return nil
	case w.gone:
		w.gone, w.away, w.start, w.end = false, false, h.day+1, 0
	case w.away:
		w.away = false
		return []event.SourceRecord{h.record(i, event.Resume, date(h.day))}
	case n < 5:
		w.away = true
		return []event.SourceRecord{h.record(i, event.Suspend, date(h.day))}
	case n < 10:
		w.gone = true
		out := []event.SourceRecord{h.record(i, event.Terminate, date(h.day+h.r.IntN(20)))}
		if h.r.IntN(4) == 0 {
			out = append(out, h.record(i, event.CorrectTermination, date(h.day+h.r.IntN(40))))
		}
		return out
	case n < 30:
		w.department = h.r.IntN(40)
	case n < 50:
		w.title++
	case n < 60:
		w.manager = h.r.IntN(100)
	default:
		w.phone++
	}
	if w.contractor {
		w.end = h.day + 300
	}
	out := []event.SourceRecord{h.record(i, event.Upsert, date(h.day+h.r.IntN(15)-5))}
	if h.r.IntN(100) == 0 { // corrected
		w.department = h.r.IntN(40)
		out = append(out, h.record(i, event.Upsert, out[0].EffectiveAt))
	}
	return out
}

func (h *history) record(i int32, kind event.RecordKind, effective string) event.SourceRecord {
	w := &h.workers[i]
	w.seq++
	seq := int64(w.seq)
	number := fmt.Sprint(1_000_000 + i)
	r := event.SourceRecord{ID: number + "-" + fmt.Sprint(seq), Source: "hr", SourceKey: number, Sequence: &seq, Kind: kind, EffectiveAt: effective,
		RecordedAt: historyEnd.AddDate(0, 0, h.day-historyDays).Add(time.Duration(seq) * time.Second)}
	if kind != event.Upsert {
		return r
	}
	r.Person = &event.Profile{EmployeeNumber: number, GivenName: "Annabelle", FamilyName: "Featherstone-" + number, Email: "a.featherstone." + number + "@acme.example",
		Phone: fmt.Sprintf("+420 123 456 %03d", w.phone), Department: fmt.Sprintf("Department %d", w.department), Company: "Acme Industries", CostCentre: fmt.Sprintf("CC-%d", 4700+w.department),
		Location: "Prague", Title: fmt.Sprintf("Accountant %d", w.title), Manager: fmt.Sprint(1_000_000 + w.manager), WorkerType: "employee", StartDate: date(w.start), Timezone: "Europe/Prague"}
	if w.contractor {
		r.Person.WorkerType, r.Person.EndDate = "contractor", date(w.end)
	}
	return r
}

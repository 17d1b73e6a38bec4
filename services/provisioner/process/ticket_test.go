package process_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"joinery.internal/pkg/connector/rest/resttest"
	"joinery.internal/pkg/event"
)

// itsmFile is how an ITSM is asked.
const itsmFile = `ticket:
    every: 1s
    item: {id: item.id, payload: item.work, said: item.notes, state: 'item.status == "closed" ? "done" : item.status in ["refused", "cancelled"] ? "rejected" : "open"'}
    calls:
      find: {path: tickets, query: {account: account}}
      open: {path: tickets, body: '{"account": account, "status": "new", "subject": title, "text": text, "work": payload}'}
      cancel: {path: 'tickets/{id}', body: '{"status": "cancelled"}'}`

// TestATicketIsOpenedOnceWhoeverDies kills the provisioner at every step of asking for a change while the ITSM misbehaves in
// every way. Then a person works on what they were asked for.
func TestATicketIsOpenedOnceWhoeverDies(t *testing.T) {
	t.Parallel()
	server := resttest.Start(t)
	of := func(t testing.TB, dir string, n int) (*subject, resttest.Peer) {
		peer := server.At(fmt.Sprint("itsm", n))
		s, secret := (&front{}).before(t, dir, peer.Base(), resttest.Token)
		s.kind = "floor"
		s.file = fmt.Sprintf("connection: {url: \"http://%s\", token: \"file:%s\"}\n  %s", s.gate.listen, secret, itsmFile)
		return s, peer
	}
	sample, _ := of(t, t.TempDir(), 0)
	for n, f := range append(netFaults(sample.gate), sample.faults...) {
		if f.lying { // an ITSM that says it has a ticket, and has none, is asked again by people
			continue
		}
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			s, peer := of(t, filepath.Join(dir, "target"), n+1)
			write(t, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "ticket", s, "concurrency: 4, timeout: 1s"))
			h := history{w: newWorld(t, dir, map[string]string{"app": s.kind}), s: s, f: append(netFaults(s.gate), s.faults...)[n]}
			h.w.connector = "ticket"
			h.askForAll()
			h.workOnAll(peer)
		})
	}
}

// ticketPlaces are those on the way of one ticket: it takes one write.
func ticketPlaces() (out []place) {
	for _, p := range places {
		if p.at == "" || p.nth < 3 {
			out = append(out, p)
		}
	}
	return out
}

// askForAll has one person join for each place, and the provisioner die there.
func (h *history) askForAll() {
	for n, p := range ticketPlaces() {
		h.begin()
		h.w.want(fmt.Sprint("joiner", n), "app", func(d *event.Desired) {
			d.Attributes, d.Entitlements, d.Kinds = map[string]string{"title": "Engineer"}, []string{"floor/2"}, []string{h.s.kind}
		})
		h.dieAt(p, "provisioner")
		if n%2 == 0 {
			h.f.end()
		}
	}
}

// workOnAll has a person close every ticket, and looks for people who were asked twice, or never.
func (h *history) workOnAll(peer resttest.Peer) {
	t := h.w.t
	h.f.begin()
	h.w.start("provisioner")
	h.w.pass(2 * time.Second)
	h.f.end()
	if !h.w.within(atRest, func() bool {
		peer.Work(t, "closed", "done")
		for n := range ticketPlaces() {
			if h.w.tells(change{fmt.Sprint("joiner", n), "create", ""}) == 0 {
				return false
			}
		}
		return true
	}) {
		t.Errorf("not at rest after %s: %+v", atRest, peer.Tickets(t))
	}
	asked := map[string]int{}
	for _, one := range peer.Tickets(t) {
		asked[one.Account]++
	}
	for n := range ticketPlaces() {
		id := fmt.Sprint("joiner", n)
		if asked["u-"+id] != 1 {
			t.Errorf("%s was asked for %d times", id, asked["u-"+id])
		}
		if told := h.w.tells(change{id, "create", ""}); told != 1 {
			t.Errorf("evidence tells %d times that %s was made", told, id)
		}
	}
}

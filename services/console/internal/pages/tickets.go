package pages

import (
	"net/http"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// ticketsBody is the tickets a person looks at.
type ticketsBody struct {
	View    string // mine, open, closed
	Tickets []ticketCard
}

// ticketCard is one ticket, with what was typed into its form when that was not accepted.
type ticketCard struct {
	desk.Ticket
	Typed string
}

func (h *Handler) tickets(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Tickets", "tickets")
	if !ok {
		return
	}
	h.showTickets(w, r, f, http.StatusOK, r.URL.Query().Get("view"), nil)
}

func (h *Handler) showTickets(w http.ResponseWriter, r *http.Request, f frame, status int, view string, typed map[string]string) {
	q := desk.TicketQuery{Limit: pageSize}
	switch view {
	case "open":
	case "closed":
		q.State = view
	default:
		view, q.Mine = "mine", true
	}
	list, err := h.desk.Tickets(r.Context(), q, f.Actor)
	if err != nil {
		h.fault(w, r, f, err)
		return
	}
	body := ticketsBody{View: view}
	for _, t := range list[:min(len(list), maxCards)] {
		body.Tickets = append(body.Tickets, ticketCard{t, typed[t.ID]})
	}
	f.Body, f.Cut = body, len(list) > maxCards
	h.render(w, status, "tickets", f)
}

func (h *Handler) closeTicket(w http.ResponseWriter, r *http.Request) {
	kind, id := event.TicketAct(r.PathValue("act")), r.PathValue("ticket")
	if kind != event.FinishTicket && kind != event.RefuseTicket {
		h.unknown(w, r)
		return
	}
	h.act(w, r, form{title: "Tickets", section: "tickets", to: "/tickets",
		do: func(f frame, reason string) (string, error) {
			result, err := h.desk.CloseTicket(r.Context(), id, desk.TicketWord{Kind: kind, Reason: reason}, f.Actor)
			if err != nil || !result.Seen {
				return "written", err
			}
			return "ticket-" + result.State, nil
		},
		again: func(f frame, status int, reason string) {
			h.showTickets(w, r, f, status, "", map[string]string{id: reason})
		}})
}

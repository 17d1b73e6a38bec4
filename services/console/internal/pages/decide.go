package pages

import (
	"errors"
	"fmt"
	"net/http"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// inboxBody is the approvals a person looks at.
type inboxBody struct {
	View      string // mine, open, decided
	Approvals []card
}

// card is one approval, with what was typed into its form when that was not accepted.
type card struct {
	desk.Approval
	MayAct bool
	Typed  string
}

func (h *Handler) inbox(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Approvals", "approvals")
	if !ok {
		return
	}
	h.showInbox(w, r, f, http.StatusOK, r.URL.Query().Get("view"), nil)
}

// notices are said after a form was accepted; the address carries only which.
var notices = map[string]string{
	"approve":          "Approved. The next stage, or the change itself, follows by itself.",
	"deny":             "Denied. The requester learns your reason.",
	"written":          "Your decision is written down and will be counted in a moment.",
	"ticket-done":      "Noted as done. Whatever waited for it goes on.",
	"ticket-refused":   "Noted as refused. An exception is open, until something newer is wanted or it is replayed.",
	"ticket-overtaken": "Something newer is wanted: the ticket was overtaken before your word counted.",
	"guard-counted":    "Your word is counted. Another person has to say the same.",
	"guard-released":   "Released: what was held goes on.",
	"guard-cancelled":  "Cancelled: what was held is not done. An exception stands for each account.",
	"letter-replay":    "Written again. The list follows within seconds.",
	"letter-correct":   "The corrected record is written. The list follows within seconds.",
	"letter-discard":   "Discarded. The list follows within seconds.",
}

func (h *Handler) showInbox(w http.ResponseWriter, r *http.Request, f frame, status int, view string, typed map[string]string) {
	q := desk.ApprovalQuery{Status: "open"}
	switch {
	case view == "decided":
		q.Status = "all"
	case view == "" && f.Actor.ID != "" || view == "mine":
		view, q.Mine = "mine", f.Actor.ID != ""
	default:
		view = "open"
	}
	list, err := h.desk.Approvals(q, f.Actor)
	if err != nil {
		h.fault(w, r, f, err)
		return
	}
	body := inboxBody{View: view}
	for _, a := range list {
		if view == "decided" && a.Status == "open" || view == "mine" && f.Actor.ID == "" {
			continue
		}
		c := card{Approval: a, Typed: typed[a.ID]}
		for _, who := range a.Approvers {
			c.MayAct = c.MayAct || who.ID == f.Actor.ID
		}
		body.Approvals = append(body.Approvals, c)
	}
	f.Body = body
	h.render(w, status, "approvals", f)
}

func (h *Handler) vote(w http.ResponseWriter, r *http.Request) {
	kind, id := event.VoteKind(r.PathValue("act")), r.PathValue("approval")
	if kind != event.Approve && kind != event.Deny {
		h.unknown(w, r)
		return
	}
	h.act(w, r, form{title: "Approvals", section: "approvals", to: "/approvals",
		do: func(f frame, reason string) (string, error) {
			result, err := h.desk.Vote(r.Context(), id, desk.Vote{Kind: kind, Reason: reason}, f.Actor)
			if err != nil || !result.Seen {
				return "written", err
			}
			return string(kind), nil
		},
		again: func(f frame, status int, reason string) {
			h.showInbox(w, r, f, status, "", map[string]string{id: reason})
		}})
}

func (h *Handler) signIn(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Choose who you are", "sign-in")
	if !ok {
		return
	}
	body, err := h.find(r)
	if err != nil {
		h.fault(w, r, f, err)
		return
	}
	f.Body = body
	h.render(w, http.StatusOK, "signin", f)
}

func (h *Handler) signInAs(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Choose who you are", "sign-in")
	if !ok {
		return
	}
	id, err := h.desk.Find(r.PostFormValue("person"))
	if err != nil {
		var missing *desk.Fault
		if errors.As(err, &missing) {
			err = fmt.Errorf("sign in: %w", err)
		}
		h.fault(w, r, f, err)
		return
	}
	h.sessions.SignIn(w, id)
	http.Redirect(w, r, "/approvals", http.StatusSeeOther)
}

func (h *Handler) signOut(w http.ResponseWriter, r *http.Request) {
	h.sessions.SignOut(w)
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

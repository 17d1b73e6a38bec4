package pages

import (
	"net/http"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
)

// guardsBody is the guards a person looks at.
type guardsBody struct {
	View   string // holding, all
	Guards []guardCard
}

// guardCard is one guard that has tripped.
type guardCard struct {
	desk.Guard
	MayAct bool
	Typed  string
}

func (h *Handler) guards(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Guards", "guards")
	if !ok {
		return
	}
	h.showGuards(w, r, f, http.StatusOK, r.URL.Query().Get("view"), nil)
}

func (h *Handler) showGuards(w http.ResponseWriter, r *http.Request, f frame, status int, view string, typed map[string]string) {
	if view != "all" {
		view = desk.GuardHolding
	}
	list, err := h.desk.Guards(r.Context(), view)
	if err != nil {
		h.fault(w, r, f, err)
		return
	}
	body := guardsBody{View: view}
	for _, g := range list[:min(len(list), maxCards)] {
		body.Guards = append(body.Guards, guardCard{g, f.Actor.ID != "" && g.State == desk.GuardHolding, typed[g.ID]})
	}
	f.Body, f.Cut = body, len(list) > maxCards
	h.render(w, status, "guards", f)
}

func (h *Handler) decideGuard(w http.ResponseWriter, r *http.Request) {
	kind, id := event.GuardAct(r.PathValue("act")), r.PathValue("guard")
	if kind != event.GuardRelease && kind != event.GuardCancel {
		h.unknown(w, r)
		return
	}
	h.act(w, r, form{title: "Guards", section: "guards", to: "/guards",
		do: func(f frame, reason string) (string, error) {
			result, err := h.desk.DecideGuard(r.Context(), id, desk.GuardDecision{Kind: kind, Reason: reason}, f.Actor)
			switch {
			case err != nil || !result.Seen:
				return "written", err
			case result.State == desk.GuardHolding:
				return "guard-counted", nil
			}
			return "guard-" + result.State, nil
		},
		again: func(f frame, status int, reason string) {
			h.showGuards(w, r, f, status, "", map[string]string{id: reason})
		}})
}

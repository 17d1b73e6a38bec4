package pages

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"net/http"

	"joinery.internal/services/console/internal/desk"
)

// dumped is how many bytes of a record are shown one by one.
const dumped = 4 << 10

// exceptionsBody is a list of exceptions.
type exceptionsBody struct {
	State, Class string
	Exceptions   []desk.Exception
	Limit        int
}

func (h *Handler) exceptions(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Exceptions", "exceptions")
	if !ok {
		return
	}
	q := desk.ExceptionQuery{State: r.URL.Query().Get("state"), Class: r.URL.Query().Get("class"), Limit: listSize}
	list, err := h.desk.Exceptions(r.Context(), q)
	if err != nil {
		h.fault(w, r, f, err)
		return
	}
	f.Body = exceptionsBody{State: orOpen(q.State), Class: q.Class, Exceptions: list, Limit: listSize}
	h.render(w, http.StatusOK, "exceptions", f)
}

func orOpen(state string) string {
	if state == "" {
		return "open"
	}
	return state
}

// lettersBody is a list of dead letters.
type lettersBody struct {
	State, Class, Topic string
	Letters             []desk.DeadLetter
	Limit               int
}

func (h *Handler) letters(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Dead letters", "letters")
	if !ok {
		return
	}
	q := r.URL.Query()
	body := lettersBody{State: orOpen(q.Get("state")), Class: q.Get("class"), Topic: q.Get("topic"), Limit: listSize}
	var err error
	if body.Letters, err = h.desk.DeadLetters(r.Context(), desk.DeadLetterQuery{State: body.State, Class: body.Class, Topic: body.Topic, Limit: listSize}); err != nil {
		h.fault(w, r, f, err)
		return
	}
	f.Body = body
	h.render(w, http.StatusOK, "letters", f)
}

// letterBody is one dead letter, with what was typed into its form when that was not accepted.
type letterBody struct {
	Letter  desk.DeadLetter
	Decoded string // indented; empty: nobody can read it
	Dump    string
	Cut     bool // Dump is the beginning only
	MayAct  bool
	Typed   string
	Value   string // of the form: the corrected record
}

func (h *Handler) letter(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Dead letter", "letters")
	if !ok {
		return
	}
	h.showLetter(w, r, f, http.StatusOK, "", "")
}

func (h *Handler) showLetter(w http.ResponseWriter, r *http.Request, f frame, status int, typed, value string) {
	l, err := h.desk.DeadLetter(r.Context(), r.PathValue("letter"))
	if err != nil {
		h.fault(w, r, f, err)
		return
	}
	body := letterBody{Letter: l, Typed: typed, Value: value, Cut: len(l.Value) > dumped, Dump: hex.Dump(l.Value[:min(len(l.Value), dumped)]),
		MayAct: f.Actor.ID != "" && l.ResolvedAt.IsZero()}
	var indented bytes.Buffer
	if json.Indent(&indented, l.Decoded, "", "  ") == nil {
		body.Decoded = indented.String()
	}
	if body.Value == "" {
		body.Value = body.Decoded
	}
	f.Body = body
	h.render(w, status, "letter", f)
}

func (h *Handler) remedyLetter(w http.ResponseWriter, r *http.Request) {
	id, value := r.PathValue("letter"), ""
	remedies := map[string]func(context.Context, desk.Remedy, desk.Actor) (desk.Remedied, error){
		"replay": func(ctx context.Context, m desk.Remedy, a desk.Actor) (desk.Remedied, error) {
			return h.desk.ReplayLetter(ctx, id, m, a)
		},
		"discard": func(ctx context.Context, m desk.Remedy, a desk.Actor) (desk.Remedied, error) {
			return h.desk.DiscardLetter(ctx, id, m, a)
		},
	}
	remedies["correct"] = remedies["replay"]
	act := r.PathValue("act")
	remedy, known := remedies[act]
	if !known {
		h.unknown(w, r)
		return
	}
	h.act(w, r, form{title: "Dead letter", section: "letters", to: "/dead-letters",
		do: func(f frame, reason string) (string, error) {
			m := desk.Remedy{Reason: reason}
			if act == "correct" {
				value = r.PostFormValue("value")
				m.Value = json.RawMessage(value)
			}
			_, err := remedy(r.Context(), m, f.Actor)
			return "letter-" + act, err
		},
		again: func(f frame, status int, reason string) { h.showLetter(w, r, f, status, reason, value) }})
}

package pages

import (
	"context"
	"net/http"
	"strings"

	"joinery.internal/pkg/evidence"
	"joinery.internal/services/console/internal/desk"
)

// homeBody is the pipeline at a glance.
type homeBody struct {
	Status desk.Status
	KPI    *evidence.KPITable // nil: evidence does not answer, which Status says
}

func (h *Handler) home(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Home", "home")
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	body := homeBody{Status: h.desk.Status(ctx)}
	if kpi, err := h.desk.KPI(ctx, kpiSpan); err == nil {
		body.KPI = &kpi
	} else {
		h.log.Debug("home without figures", "err", err)
	}
	f.Body = body
	h.render(w, http.StatusOK, "home", f)
}

// peopleBody is a page of the list of people.
type peopleBody struct {
	Query  string
	Page   desk.PersonPage
	Cursor string
}

func (h *Handler) people(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "People", "people")
	if !ok {
		return
	}
	body, err := h.find(r)
	if err != nil {
		h.fault(w, r, f, err)
		return
	}
	f.Body = body
	h.render(w, http.StatusOK, "people", f)
}

// find searches people by the parameters of the page.
func (h *Handler) find(r *http.Request) (peopleBody, error) {
	q, cursor := strings.TrimSpace(r.URL.Query().Get("q")), r.URL.Query().Get("cursor")
	page, err := h.desk.Persons(desk.PersonQuery{Text: q, Cursor: cursor, Limit: pageSize})
	return peopleBody{Query: q, Page: page, Cursor: cursor}, err
}

// personBody is one person with what happened to them.
type personBody struct {
	Person  desk.PersonDetail
	Access  []desk.Access
	Moments []desk.Moment // newest first
	Kind    string
	Kinds   []string
	Limit   int
}

func (h *Handler) person(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Person", "people")
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), pageTimeout)
	defer cancel()
	body, err := h.about(ctx, r.PathValue("person"), r.URL.Query().Get("kind"))
	if err != nil {
		h.fault(w, r, f, err)
		return
	}
	f.Title, f.Body = body.Person.DisplayName, body
	h.render(w, http.StatusOK, "person", f)
}

func (h *Handler) about(ctx context.Context, name, kind string) (personBody, error) {
	body := personBody{Kind: kind, Kinds: []string{"identity", "access", "case", "approval", "provision", "drift", "exception"}, Limit: timelineSize}
	var err error
	if body.Person, err = h.desk.Person(ctx, name, desk.AsOf{}); err != nil {
		return body, err
	}
	if body.Access, err = h.desk.Access(ctx, name, desk.AsOf{}); err != nil {
		return body, err
	}
	body.Moments, err = h.desk.Timeline(ctx, name, kind, desk.AsOf{}, timelineSize)
	newestFirst(body.Moments)
	return body, err
}

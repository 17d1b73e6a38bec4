// Package pages is the console in a browser: home, people, one person's timeline, and what waits for people: approvals,
// tickets, what guards hold, exceptions, dead letters.
//
// It owns HTML and nothing else: each page is calls of package desk, rendered by html/template. Everything works without
// JavaScript, of which there is none; what changes something is a form that posts. GET changes nothing, since mail
// scanners follow links. A Handler is safe for concurrent use.
//
//	mux.Handle("/", pages.New(desk, sessions, log))
package pages

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"joinery.internal/services/console/internal/api"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/session"
)

//go:embed templates assets
var files embed.FS

// maxForm bounds a posted form, in bytes. A corrected record is in one.
const maxForm = 4 << 20

// Handler serves the pages.
type Handler struct {
	desk     *desk.Desk
	sessions *session.Sessions
	log      *slog.Logger
	pages    map[string]*template.Template
	mux      *http.ServeMux
}

// frame is what every page shows around its own content.
type frame struct {
	Title   string
	Section string // of the navigation
	Demo    bool   // demo logins are on: say so loudly
	Actor   desk.Actor
	Mine    int // approvals that wait for the actor
	Tickets int // that the actor may close
	Path    string
	Cut     bool // there are more than are shown
	Notice  string
	Problem *problem
	Body    any
}

// problem is a fault as a person reads it.
type problem struct {
	Title  string
	Detail string
	Items  []string
}

// New returns the pages of a desk.
func New(d *desk.Desk, sessions *session.Sessions, log *slog.Logger) *Handler {
	h := &Handler{desk: d, sessions: sessions, log: log, pages: parse(), mux: http.NewServeMux()}
	h.mux.HandleFunc("GET /{$}", h.home)
	h.mux.HandleFunc("GET /people", h.people)
	h.mux.HandleFunc("GET /people/{person}", h.person)
	h.mux.HandleFunc("GET /approvals", h.inbox)
	h.mux.HandleFunc("POST /approvals/{approval}/{act}", h.vote)
	h.mux.HandleFunc("GET /tickets", h.tickets)
	h.mux.HandleFunc("POST /tickets/{ticket}/{act}", h.closeTicket)
	h.mux.HandleFunc("GET /guards", h.guards)
	h.mux.HandleFunc("POST /guards/{guard}/{act}", h.decideGuard)
	h.mux.HandleFunc("GET /exceptions", h.exceptions)
	h.mux.HandleFunc("GET /dead-letters", h.letters)
	h.mux.HandleFunc("GET /dead-letters/{letter}", h.letter)
	h.mux.HandleFunc("POST /dead-letters/{letter}/{act}", h.remedyLetter)
	h.mux.HandleFunc("GET /sign-in", h.signIn)
	h.mux.HandleFunc("POST /sign-in", h.signInAs)
	h.mux.HandleFunc("POST /sign-out", h.signOut)
	assets, err := fs.Sub(files, "assets")
	if err != nil {
		panic("pages: " + err.Error()) // the build has embedded them
	}
	h.mux.Handle("GET /assets/{file}", http.StripPrefix("/assets/", http.FileServerFS(assets)))
	h.mux.HandleFunc("/", h.unknown)
	return h
}

// parse reads each page together with the layout. A broken template is a broken build.
func parse() map[string]*template.Template {
	pages := map[string]*template.Template{}
	for _, name := range []string{"home", "people", "person", "approvals", "tickets", "guards", "exceptions", "letters", "letter", "signin", "fault"} {
		pages[name] = template.Must(template.New("layout.html").Funcs(functions).Option("missingkey=error").
			ParseFS(files, "templates/layout.html", "templates/"+name+".html"))
	}
	return pages
}

func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	h.mux.ServeHTTP(w, r)
}

// begin works out who asks and fills the frame; ok is false when a fault has been answered.
func (h *Handler) begin(w http.ResponseWriter, r *http.Request, title, section string) (f frame, ok bool) {
	f = frame{Title: title, Section: section, Demo: h.sessions.Demo(), Path: r.URL.RequestURI()}
	var err error
	if f.Actor, err = h.sessions.Actor(r); err != nil {
		h.fault(w, r, f, err)
		return f, false
	}
	if f.Actor.ID != "" {
		mine, err := h.desk.Approvals(desk.ApprovalQuery{Mine: true}, f.Actor)
		if err != nil {
			h.fault(w, r, f, err)
			return f, false
		}
		f.Mine = len(mine)
	}
	f.Tickets = h.desk.OwnTickets(f.Actor)
	f.Notice = notices[r.URL.Query().Get("done")]
	return f, true
}

// form is what a posted form does.
type form struct {
	title, section string
	to             string                                                // where a person is taken once it is done
	do             func(f frame, reason string) (done string, err error) // done is a key of notices
	again          func(f frame, status int, reason string)              // shows the page again with f.Problem, and what was typed
}

// act does what a form asks for. A fault is said on the page it was sent from, which keeps what was typed.
func (h *Handler) act(w http.ResponseWriter, r *http.Request, a form) {
	f, ok := h.begin(w, r, a.title, a.section)
	if !ok {
		return
	}
	if err := r.ParseForm(); err != nil {
		h.fault(w, r, f, err)
		return
	}
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	done, err := a.do(f, reason)
	if err != nil {
		var status int
		status, f.Problem = h.problem(r, err)
		a.again(f, status, reason)
		return
	}
	http.Redirect(w, r, a.to+"?done="+url.QueryEscape(done), http.StatusSeeOther)
}

// render writes a page whole or not at all.
func (h *Handler) render(w http.ResponseWriter, status int, page string, f frame) {
	var b bytes.Buffer
	if err := h.pages[page].Execute(&b, f); err != nil {
		h.log.Error("render page", "page", page, "err", err)
		http.Error(w, "this page could not be rendered; the console's log says more", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := w.Write(b.Bytes()); err != nil {
		h.log.Debug("write page", "page", page, "err", err) // the reader has gone
	}
}

// fault answers with a page that says what went wrong and what to do.
func (h *Handler) fault(w http.ResponseWriter, r *http.Request, f frame, err error) {
	status, p := h.problem(r, err)
	f.Title, f.Problem = p.Title, p
	h.render(w, status, "fault", f)
}

func (h *Handler) problem(r *http.Request, err error) (int, *problem) {
	status, title, detail, items := api.StatusOf(err)
	if status == http.StatusInternalServerError {
		h.log.Error("page failed", "method", r.Method, "path", r.URL.Path, "err", err)
	}
	return status, &problem{title, detail, items}
}

func (h *Handler) unknown(w http.ResponseWriter, r *http.Request) {
	f, ok := h.begin(w, r, "Not there", "")
	if ok {
		h.fault(w, r, f, &desk.Fault{Kind: desk.NotFound, Detail: fmt.Sprintf("There is no page at %s.", r.URL.Path)})
	}
}

// Refuse answers a request that may be forged: one a page of another site has sent.
func (h *Handler) Refuse(w http.ResponseWriter, r *http.Request) {
	h.fault(w, r, frame{Demo: h.sessions.Demo(), Actor: desk.Actor{Name: desk.Operator}},
		&desk.Fault{Kind: desk.Forbidden, Detail: "This came from another site. Open the console itself and try again."})
}

const pageTimeout = 15 * time.Second

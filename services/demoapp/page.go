package demoapp

import (
	"encoding/json"
	"errors"
	"html/template"
	"io"
	"mime"
	"net/http"
	"slices"
)

// handler is everything the applications serve.
func (a *Apps) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.index)
	for _, name := range a.names {
		if api := a.apps[name].api(); api != nil {
			mux.Handle("/"+name+scimPath+"/", http.StripPrefix("/"+name, api))
		}
		mux.HandleFunc("GET /"+name+"/{$}", func(w http.ResponseWriter, r *http.Request) { a.page(w, r, name) })
		mux.HandleFunc("GET /"+name+"/inspect", func(w http.ResponseWriter, r *http.Request) { a.serveInspect(w, r, name) })
		mux.HandleFunc("POST /"+name+"/switch", func(w http.ResponseWriter, r *http.Request) { a.serveSwitch(w, r, name) })
	}
	return http.NewCrossOriginProtection().Handler(mux)
}

func (a *Apps) serveInspect(w http.ResponseWriter, r *http.Request, name string) {
	s, err := a.Inspect(r.Context(), name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	// The client may be gone; there is nobody left to tell.
	_ = json.NewEncoder(w).Encode(s)
}

// serveSwitch takes JSON, or the form of the page.
func (a *Apps) serveSwitch(w http.ResponseWriter, r *http.Request, name string) {
	mode, form, err := requestedMode(http.MaxBytesReader(w, r.Body, 4096), r)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if err := a.Switch(r.Context(), name, mode); err != nil {
		status := http.StatusInternalServerError
		if !slices.Contains(modes(), mode) {
			status = http.StatusBadRequest
		}
		http.Error(w, err.Error(), status)
		return
	}
	if form {
		http.Redirect(w, r, "/"+name+"/", http.StatusSeeOther)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func requestedMode(body io.Reader, r *http.Request) (mode Mode, form bool, err error) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err == nil && kind == "application/x-www-form-urlencoded" {
		if mode := r.PostFormValue("mode"); mode != "" {
			return Mode(mode), true, nil
		}
	}
	var wanted struct {
		Mode Mode `json:"mode"`
	}
	if json.NewDecoder(body).Decode(&wanted) != nil {
		return "", false, errors.New(`send {"mode":"up"}, or down, flaky, slow, reject`)
	}
	return wanted.Mode, false, nil
}

func (a *Apps) index(w http.ResponseWriter, _ *http.Request) {
	render(w, indexPage, a.names)
}

func (a *Apps) page(w http.ResponseWriter, r *http.Request, name string) {
	s, err := a.Inspect(r.Context(), name)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	slices.Reverse(s.Journal)
	s.Journal = s.Journal[:min(len(s.Journal), 100)]
	render(w, appPage, struct {
		Snapshot
		Modes []Mode
	}{s, modes()})
}

func render(w http.ResponseWriter, t *template.Template, data any) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'")
	// The client may be gone; there is nobody left to tell.
	_ = t.Execute(w, data)
}

const style = `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;width:100%;margin:.5rem 0 2rem}th,td{text-align:left;padding:.3rem .8rem .3rem 0;border-bottom:1px solid #d5dbe3;vertical-align:top}
button{font:inherit;padding:.2rem .8rem}button[aria-pressed=true]{font-weight:700}.off{color:#8a3b12}</style>`

var indexPage = template.Must(template.New("index").Parse(style + `<title>Demo targets</title><h1>Demo targets</h1>
<p>Small applications that come with <code>joinery dev</code>, to provision to, to look into and to break.</p>
<ul>{{range .}}<li><a href="/{{.}}/">{{.}}</a> (<a href="/{{.}}/inspect">JSON</a>)</li>{{end}}</ul>`))

var appPage = template.Must(template.New("app").Parse(style + `<title>{{.App}}</title><p><a href="/">Demo targets</a></p><h1>{{.App}}</h1>
<form method="post" action="/{{.App}}/switch"><p>It is <strong>{{.Mode}}</strong>. Switch:
{{range .Modes}}<button name="mode" value="{{.}}" aria-pressed="{{eq . $.Mode}}">{{.}}</button> {{end}}</p></form>
<h2>{{len .Accounts}} accounts</h2>
<table><tr><th>Account<th>State<th>Entitlements<th>Attributes<th>External id</tr>
{{range .Accounts}}<tr><td>{{.Account}}<td>{{if .Enabled}}enabled{{else}}<span class="off">disabled</span>{{end}}
<td>{{range .Entitlements}}{{.}}<br>{{end}}<td>{{range $k, $v := .Attributes}}{{if $v}}{{$k}}: {{$v}}<br>{{end}}{{end}}<td>{{.ExternalID}}</tr>
{{else}}<tr><td colspan="5">None yet.</tr>{{end}}</table>
<h2>Latest changes</h2>
<table><tr><th>Time<th>Change<th>Account<th>Entitlement</tr>
{{range .Journal}}<tr><td>{{.Time.Format "2006-01-02 15:04:05.000"}}<td>{{.Verb}}<td>{{.Account}}<td>{{.Entitlement}}</tr>
{{else}}<tr><td colspan="4">None yet.</tr>{{end}}</table>`))

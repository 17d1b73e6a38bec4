package e2e_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// browser is a person at the console's pages: it keeps cookies, follows redirects and knows no scripts.
type browser struct {
	t      *testing.T
	client *http.Client
	origin string
}

func newBrowser(p *pipeline) browser {
	p.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return browser{p.t, &http.Client{Jar: jar}, p.Console}
}

func (b browser) get(path string) string {
	b.t.Helper()
	return b.send(http.MethodGet, path, nil)
}

func (b browser) post(path string, form url.Values) string {
	b.t.Helper()
	return b.send(http.MethodPost, path, form)
}

func (b browser) send(method, path string, form url.Values) string {
	b.t.Helper()
	r, err := http.NewRequestWithContext(b.t.Context(), method, b.origin+path, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := b.client.Do(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		b.t.Fatalf("%s %s: %s, %v\n%s", method, path, res.Status, err, body)
	}
	return string(body)
}

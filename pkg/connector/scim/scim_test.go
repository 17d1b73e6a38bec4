package scim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/httpcall"
)

func TestAttributePathsAreWrittenAsSCIMHasThem(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"title":                   "title",
		"name.givenName":          "name.givenName",
		"emails.work":             `emails[type eq "work"].value`,
		"addresses.work.locality": `addresses[type eq "work"].locality`,
		"enterprise.department":   enterpriseSchema + ":department",
		"enterprise.manager":      enterpriseSchema + ":manager.value",
		"urn:acme:1.0:User:badge": "urn:acme:1.0:User:badge",
	} {
		p, err := parsePath(name)
		if err != nil || p.wire() != want || p.name() != name {
			t.Errorf("%s is written %q and read %q, %v; want %q", name, p.wire(), p.name(), err, want)
		}
	}
	for _, name := range []string{"", "emails", "emails.work.value", "addresses.work", "name.", "a.b.c", "userName", "active", "id", "a b", `x"y`, "groups"} {
		if _, err := parsePath(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

func TestAnyTextIsOneStringInAFilter(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		in := rapid.String().Draw(rt, "text")
		literal := quote(in)
		var out string
		if err := json.Unmarshal([]byte(literal), &out); err != nil || out != in {
			// Control characters without a short escape are no JSON; no account is named so.
			if strings.ContainsFunc(in, func(r rune) bool { return r < ' ' }) {
				return
			}
			rt.Fatalf("quote(%q) = %s reads %q, %v", in, literal, out, err)
		}
		if strings.ContainsRune(literal[1:len(literal)-1], '"') {
			rt.Fatalf("quote(%q) = %s ends early", in, literal)
		}
	})
}

func TestWhatIsSetIsReadBackAndWhatIsClearedIsGone(t *testing.T) {
	t.Parallel()
	names := []string{"title", "name.givenName", "name.familyName", "emails.work", "emails.home", "phoneNumbers.mobile",
		"addresses.work.locality", "addresses.work.country", "enterprise.department", "enterprise.manager", "urn:acme:1.0:User:badge"}
	rapid.Check(t, func(rt *rapid.T) {
		r, model := resource{}, map[string]string{}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			name := rapid.SampledFrom(names).Draw(rt, "name")
			value := rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "value")
			p, err := parsePath(name)
			if err != nil {
				rt.Fatal(err)
			}
			r.set(p, value)
			model[name] = value
		}
		got := r.attributes()
		for name, want := range model {
			if got[name] != want {
				rt.Fatalf("%s is %q, want %q in %v", name, got[name], want, r)
			}
		}
	})
}

func TestOddJSONIsReadAsItIsMeant(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"id":7,"active":"False","title":" Chief "}`:                        `false map[title:Chief]`,
		`{"id":"7","emails":[{"value":"A@Acme.example","primary":true}]}`:    `true map[emails.work:a@acme.example]`,
		`{"id":"7","` + enterpriseSchema + `":{"manager":"m-1"}}`:            `true map[enterprise.manager:m-1]`,
		`{"id":"7","active":"TRUE","title":null,"emails":null,"name":{}}`:    `true map[]`,
		`{"id":"7","active":false,"emails":["x",{"type":"home"}],"x":[[1]]}`: `false map[]`,
	} {
		var r resource
		if err := decode([]byte(body), &r); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(r.enabled(), " ", r.attributes()); got != want || r.text("id") != "7" {
			t.Errorf("%s is read as %s with id %q, want %s", body, got, r.text("id"), want)
		}
	}
}

func FuzzAttributesTakeAnyJSON(f *testing.F) {
	f.Add(`{"emails":[{"value":1}],"urn:x":{"a":{"b":"c"}}}`)
	f.Add(`{"emails":{"type":[]},"active":{}}`)
	f.Fuzz(func(t *testing.T, body string) {
		var r resource
		if decode([]byte(body), &r) != nil || r == nil {
			return
		}
		r.attributes()
		r.enabled()
		r.version()
		if _, err := r.update(connector.Object{Attributes: map[string]string{"emails.work": "a", "name.givenName": "b", "enterprise.manager": "c"}}); err != nil {
			t.Fatal(err)
		}
	})
}

// answering is a service that answers everything with one body.
func answering(t *testing.T, status int, body string) *Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	c, err := Open(connector.Settings{Name: "x", Connection: map[string]string{"url": server.URL, "token": "t0ken"}})
	if err != nil {
		t.Fatal(err)
	}
	c.provider = &provider{Patch: supported{true}, Filter: supported{true}}
	return c
}

func TestAnswersThatAreNoSCIMAreRefused(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a login page": "<html>sign in</html>", "nothing": "", "null": "null", "no id": `{"userName":"a"}`, "an array": "[]",
		"too much": strings.Repeat(" ", httpcall.MaxBody+1),
	} {
		_, err := answering(t, 200, body).Get(t.Context(), connector.Ref{RemoteID: "1"})
		want := connector.Transient // it may be a proxy that speaks
		if name == "too much" {
			want = connector.Invalid
		}
		if connector.ClassOf(err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

func TestWhatAServiceSaysIsCutAndRedacted(t *testing.T) {
	t.Parallel()
	want := connector.Object{Ref: connector.Ref{Account: "ana"}, Attributes: map[string]string{"emails.work": "ana@acme.example"}}
	body := `{"scimType":"invalidValue","detail":"bad value ana@acme.example` + strings.Repeat("!", 300) + `"}`
	_, err := answering(t, 400, body).Apply(t.Context(), connector.Op{Verb: connector.Create, Want: want})
	if connector.ClassOf(err) != connector.Invalid || strings.Contains(err.Error(), "ana@acme") ||
		!strings.Contains(err.Error(), "bad value [emails.work]") || len(err.Error()) > 320 {
		t.Errorf("the error is %v", err)
	}
	_, err = answering(t, 400, `{"scimType":"uniqueness"}`).Apply(t.Context(), connector.Op{Verb: connector.Create, Want: want})
	if connector.ClassOf(err) != connector.Conflict {
		t.Errorf("scimType uniqueness: %v, want conflict", err)
	}
}

func TestAServiceThatCannotPageIsNotTakenForAnEmptyOne(t *testing.T) {
	t.Parallel()
	c := answering(t, 200, `{"totalResults":9,"startIndex":1,"Resources":[{"id":"1"},{"id":"2"}]}`)
	_, err := c.List(t.Context(), connector.ListRequest{Token: "3", Limit: 2})
	if connector.ClassOf(err) != connector.Unsupported {
		t.Errorf("list: %v, want unsupported", err)
	}
}

func TestAGroupOfAnotherSpellingIsNotTaken(t *testing.T) {
	t.Parallel()
	c := answering(t, 200, `{"totalResults":1,"Resources":[{"id":"1","displayName":"Engineering"}]}`)
	_, err := c.resolveGroup(t.Context(), "grant account ana group/engineering", "engineering")
	if connector.ClassOf(err) != connector.Invalid || !strings.Contains(err.Error(), `"Engineering"`) {
		t.Errorf("resolve: %v, want invalid and the name there", err)
	}
	c = answering(t, 200, `{"totalResults":0}`)
	c.createsGroups = false
	_, err = c.resolveGroup(t.Context(), "grant account ana group/x", "x")
	if connector.ClassOf(err) != connector.Invalid || !strings.Contains(err.Error(), "connection.createGroups") {
		t.Errorf("resolve: %v, want invalid and what to set", err)
	}
}

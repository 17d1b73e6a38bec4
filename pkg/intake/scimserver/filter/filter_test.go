package filter_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"joinery.internal/pkg/intake/scimserver/filter"
)

const resource = `{
  "id": "2819c223", "userName": "bjensen", "active": true, "title": "Vice President", "nickName": "",
  "name": {"familyName": "O'Malley", "givenName": "Barbara"},
  "emails": [{"value": "bjensen@acme.example", "type": "work", "primary": true}, {"value": "babs@home.example", "type": "home"}],
  "meta": {"lastModified": "2026-03-02T08:00:00Z", "resourceType": "User"}, "logins": 42,
  "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Tour Operations", "manager": {"value": "26118915"}}
}`

func object(t testing.TB) filter.Object {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(resource))
	d.UseNumber()
	var o filter.Object
	if err := d.Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

func exact(a filter.Attribute) bool { return a.Name == "id" }

func TestFiltersMeanWhatTheRFCSays(t *testing.T) {
	t.Parallel()
	o := object(t)
	for text, want := range map[string]bool{
		`userName eq "bjensen"`:         true,
		`USERNAME EQ "BJensen"`:         true,
		`id eq "2819C223"`:              false,
		`name.familyName co "O'Malley"`: true,
		`userName sw "J"`:               false,
		`userName sw "BJ"`:              true,
		`userName ew "sen"`:             true,
		`urn:ietf:params:scim:schemas:core:2.0:User:userName sw "b"`: true,
		`title pr`:    true,
		`nickName pr`: false,
		`shoeSize pr`: false,
		`meta.lastModified gt "2026-03-01T23:00:00+01:00"`:                  true,
		`meta.lastModified ge "2026-03-02T09:00:00+01:00"`:                  true,
		`meta.lastModified lt "2026-03-02T08:00:00Z"`:                       false,
		`meta.lastModified le "2026-03-02T08:00:00.000Z"`:                   true,
		`title pr and userType eq "Employee"`:                               false,
		`title pr or userType eq "Intern"`:                                  true,
		`userType eq "a" and title pr or active eq true`:                    true,
		`userType eq "a" and (title pr or active eq true)`:                  false,
		`not (userType eq "a")`:                                             true,
		`userType ne "Employee" and not (emails co "evil" or title sw "x")`: true,
		`emails eq "babs@home.example"`:                                     true,
		`emails.type eq "home"`:                                             true,
		`emails.type ne "home"`:                                             false,
		`emails[type eq "work" and value co "@acme.example"]`:               true,
		`emails[type eq "home" and value co "@acme.example"]`:               false,
		`emails[type eq "home"] and emails[not (type eq "home")]`:           true,
		`active eq true`:                   true,
		`active eq false`:                  false,
		`active eq "true"`:                 false,
		`logins eq 42.0`:                   true,
		`logins gt 4.1e1 and logins lt 43`: true,
		`logins gt "41"`:                   false,
		`shoeSize eq null`:                 true,
		`userName eq null`:                 false,
		`userName ne null`:                 true,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department eq "tour operations"`: true,
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value eq "26118915"`:     true,
		`userName eq "b\u006aensen"`:  true,
		` userName   eq   "bjensen" `: true,
	} {
		f, err := filter.Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Matches(o, exact); got != want {
			t.Errorf("%s is %v", text, got)
		}
	}
}

func TestWhatIsNoFilterIsRefusedWithItsPlace(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		``:                           "at 1: the name",
		`userName`:                   "an operator",
		`userName eq`:                "a value",
		`userName is "x"`:            "at 10: an operator",
		`userName eq "x`:             "does not end",
		`userName eq "\x"`:           "not one of JSON",
		`userName eq 01`:             "the number",
		`userName eq x`:              "a value",
		`(userName pr`:               "do not end",
		`userName pr)`:               "something follows",
		`userName pr userName pr`:    "something follows",
		`not userName pr`:            "parentheses",
		`emails[type eq "work"`:      "do not end",
		`emails[type eq "work"].x`:   "something follows",
		`a.b.c pr`:                   "two parts",
		`a. pr`:                      "two parts",
		`userName eq "x" & title pr`: "no place",
		`"userName" pr`:              "the name",
		strings.Repeat("(", 40) + "a pr" + strings.Repeat(")", 40):     "nested deeper",
		strings.Repeat("not (", 40) + "a pr" + strings.Repeat(")", 40): "nested deeper",
		"a eq \"" + strings.Repeat("x", 5000) + "\"":                   "longer",
	} {
		if _, err := filter.Parse(text); !errors.Is(err, filter.ErrSyntax) || !strings.Contains(err.Error(), says) {
			t.Errorf("%.60s: %v, want %q", text, err, says)
		}
	}
}

func TestPathsOfChangesAreRead(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`members`:                              "members",
		`name.familyName`:                      "name.familyName",
		`addresses[type eq "work"]`:            "addresses where",
		`addresses[type eq "w"].streetAddress`: "addresses.streetAddress where",
		`urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value`: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager.value",
	} {
		p, err := filter.ParsePath(text)
		got := p.Attribute.String()
		if p.Where != nil {
			got += " where"
		}
		if err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{``, `[type eq "x"]`, `emails[]`, `emails[type eq "x"].`, `emails[type eq "x"].a.b`, `emails.a[b pr].c`, `a b`, `emails[type eq "x"]y`, `a:`} {
		if _, err := filter.ParsePath(text); !errors.Is(err, filter.ErrSyntax) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzFilter(f *testing.F) {
	for _, seed := range []string{`userName eq "bjensen"`, `emails[type eq "work" and not (value co "x")] or title pr`, `a.b ge -1.5e3`, `urn:x:y.z ne null`, `((((a pr))))`, `"`, `a eq "\u12`} {
		f.Add(seed)
	}
	o := object(f)
	f.Fuzz(func(t *testing.T, text string) {
		got, err := filter.Parse(text)
		if err != nil {
			if !errors.Is(err, filter.ErrSyntax) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		got.Matches(o, exact)
	})
}

func FuzzPath(f *testing.F) {
	for _, seed := range []string{`members`, `emails[type eq "work"].value`, `urn:a:b:c.d`, `a[`, `.`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := filter.ParsePath(text)
		if err != nil {
			if !errors.Is(err, filter.ErrSyntax) {
				t.Errorf("%q: %v", text, err)
			}
			return
		}
		if p.Where == nil { // what was read is written the same
			again, err := filter.ParsePath(p.Attribute.String())
			if err != nil || again.Attribute != p.Attribute {
				t.Errorf("%q: read again as %+v, %v", text, again, err)
			}
		}
	})
}

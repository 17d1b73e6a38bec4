package scimserver_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// names lists the user names of a list response.
func (r response) names() []string {
	var out []string
	items, _ := r.body["Resources"].([]any)
	for _, item := range items {
		out = append(out, fmt.Sprint(item.(object)["userName"]))
	}
	return out
}

func TestListsAreFilteredSortedAndPaged(t *testing.T) {
	t.Parallel()
	w := start(t)
	for i := range 25 {
		w.clock.mu.Lock()
		w.clock.now = w.clock.now.Add(time.Millisecond)
		w.clock.mu.Unlock()
		w.must(http.StatusCreated, "POST", w.url+"/Users", user(fmt.Sprintf("u%02d", i), object{"externalId": fmt.Sprint("E", i), "title": fmt.Sprint("T", i%3), "active": i%2 == 0}))
	}
	get := func(query string) response {
		t.Helper()
		return w.must(http.StatusOK, "GET", w.url+"/Users?"+query, nil)
	}
	var all []string
	for start := 1; start <= 25; start += 10 {
		page := get(fmt.Sprintf("startIndex=%d&count=10", start))
		if page.text("totalResults") != "25" || page.text("startIndex") != fmt.Sprint(start) {
			t.Errorf("page at %d: %s", start, page.raw)
		}
		all = append(all, page.names()...)
	}
	if len(all) != 25 || !slices.IsSorted(all) {
		t.Errorf("all pages: %v", all)
	}
	for query, want := range map[string]string{
		"filter=" + url.QueryEscape(`userName eq "U07"`):                                          "u07",
		"filter=" + url.QueryEscape(`externalId eq "E3"`):                                         "u03",
		"filter=" + url.QueryEscape(`externalId eq "e3"`):                                         "",
		"filter=" + url.QueryEscape(`userName eq "u07" and active eq true`):                       "",
		"filter=" + url.QueryEscape(`active eq false and title eq "t1"`):                          "u01 u07 u13 u19",
		"filter=" + url.QueryEscape(`userName sw "u2"`) + "&sortBy=userName&sortOrder=descending": "u24 u23 u22 u21 u20",
		"filter=" + url.QueryEscape(`userName sw "u2"`) + "&startIndex=4&count=9":                 "u23 u24",
		"count=0":               "",
		"startIndex=99":         "",
		"startIndex=-1&count=1": "u00",
		"filter=" + url.QueryEscape(`meta.resourceType eq "Group"`): "",
	} {
		if got := strings.Join(get(query).names(), " "); got != want {
			t.Errorf("%s: %q, want %q", query, got, want)
		}
	}
	found := w.must(http.StatusOK, "POST", w.url+"/Users/.search", object{"schemas": []string{"urn:ietf:params:scim:api:messages:2.0:SearchRequest"},
		"filter": `title eq "T0"`, "startIndex": 2, "count": 2, "attributes": []string{"userName"}})
	if got := found.names(); !slices.Equal(got, []string{"u03", "u06"}) || strings.Contains(string(found.raw), "title") || strings.Contains(string(found.raw), "externalId") {
		t.Errorf("search: %s", found.raw)
	}
}

func TestOnlyWhatIsAskedForIsAnswered(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.must(http.StatusCreated, "POST", w.url+"/Users", user("ada", object{"password": "hunter2", "emails": []object{{"value": "a@acme.example", "type": "work"}},
		"name": object{"givenName": "Ada", "familyName": "Nov"}, enterpriseURN: object{"department": "Sales", "division": "D"}})).text("id")
	keys := func(query string) string {
		o := w.must(http.StatusOK, "GET", w.url+"/Users/"+id+"?"+query, nil)
		if strings.Contains(string(o.raw), "hunter2") {
			t.Errorf("the password is answered: %s", o.raw)
		}
		var names []string
		for k := range o.body {
			names = append(names, k)
		}
		slices.Sort(names)
		return strings.Join(names, " ")
	}
	for query, want := range map[string]string{
		"attributes=userName":                                "id schemas userName",
		"attributes=NAME.givenName":                          "id name schemas",
		"attributes=" + enterpriseURN + ":department":        "id schemas " + enterpriseURN,
		"excludedAttributes=emails,meta,name":                "id schemas " + enterpriseURN + " userName",
		"excludedAttributes=id,emails.type," + enterpriseURN: "emails id meta name schemas userName",
	} {
		if got := keys(query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := w.must(http.StatusOK, "GET", w.url+"/Users/"+id+"?attributes=emails.value,name.familyName", nil); strings.Contains(string(got.raw), "work") || strings.Contains(string(got.raw), "Ada") {
		t.Errorf("got %s", got.raw)
	}
}

package scimserver_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestAWorkersWayThroughSCIM(t *testing.T) {
	t.Parallel()
	w := start(t)
	made := w.must(http.StatusCreated, "POST", w.url+"/Users", user("ada", object{"name": object{"givenName": "Ada", "familyName": "Nováková"},
		"emails":      []object{{"value": "ada@home.example", "type": "home"}, {"value": "ada@acme.example", "type": "work", "primary": true}},
		enterpriseURN: object{"employeeNumber": "1001", "department": "Finance"}}))
	id := made.text("id")
	if made.Header.Get("Location") != w.url+"/Users/"+id || made.Header.Get("ETag") == "" {
		t.Errorf("headers of the new resource: %v", made.Header)
	}
	at := w.url + "/Users/" + id
	department := func(d string) object {
		return patch(object{"op": "Replace", "path": enterpriseURN + ":department", "value": d})
	}
	w.must(http.StatusOK, "PATCH", at, department("Sales"))
	w.must(http.StatusOK, "PATCH", at, department("Sales"))
	w.must(http.StatusOK, "PATCH", at, patch(object{"op": "add", "path": "nickName", "value": "A"}))
	w.must(http.StatusOK, "PATCH", at, patch(object{"op": "Replace", "path": "active", "value": "False"}))
	w.must(http.StatusOK, "PATCH", at, department("Legal"))
	w.must(http.StatusOK, "PATCH", at, patch(object{"op": "Replace", "value": object{"active": true}}))
	w.must(http.StatusNoContent, "DELETE", at, nil)
	w.must(http.StatusNotFound, "GET", at, nil)
	w.must(http.StatusNotFound, "DELETE", at, nil)

	got := w.said(7, id)
	want := []string{"upsert Finance", "upsert Sales", "suspend", "upsert Legal", "resume", "upsert Legal", "terminate"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	var last int64
	for _, r := range w.Said(7) {
		if r.Sequence == nil || *r.Sequence <= last || !r.RecordedAt.Equal(w.clock.Now()) {
			t.Errorf("%s has sequence %v after %d, recorded at %s", r.ID, r.Sequence, last, r.RecordedAt)
		}
		last = *r.Sequence
	}
	if p := w.Said(7)[0].Person; p.Email != "ada@acme.example" || p.EmployeeNumber != "1001" || p.GivenName != "Ada" {
		t.Errorf("the first record has %+v", p)
	}
}

func TestTheMapSaysWhatInactiveAndDeletedMean(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.must(http.StatusCreated, "POST", w.strict+"/Users", user("bo", object{"active": false, "title": "Clerk"})).text("id")
	at := w.strict + "/Users/" + id
	active := func(v any) object { return patch(object{"op": "replace", "path": "active", "value": v}) }
	w.must(http.StatusOK, "PATCH", at, active(true))  // begins
	w.must(http.StatusOK, "PATCH", at, active(false)) // ends
	w.must(http.StatusOK, "PATCH", at, active("False"))
	w.must(http.StatusOK, "PATCH", at, active("True")) // was wrong
	w.must(http.StatusNoContent, "DELETE", at, nil)
	got, want := w.said(5, "bo"), []string{"upsert Clerk", "terminate", "reverse_termination", "upsert Clerk", "absent"}
	if !slices.Equal(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	id = w.must(http.StatusCreated, "POST", w.strict+"/Users", user("bo", object{"title": "Clerk"})).text("id")
	res := w.must(http.StatusBadRequest, "PATCH", w.strict+"/Users/"+id, patch(object{"op": "replace", "path": "userName", "value": "bob"}))
	if res.text("scimType") != "mutability" {
		t.Errorf("a worker under a new key: %s", res.raw)
	}
	records := w.Said(6)
	if first, last := *records[4].Sequence, *records[5].Sequence; last <= first {
		t.Errorf("the sequence of a worker made anew begins at %d, and was at %d", last, first)
	}
}

func TestANameIsTakenOnce(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.must(http.StatusCreated, "POST", w.url+"/Users", user("Cyd"))
	if res := w.must(http.StatusConflict, "POST", w.url+"/Users", user("cYD")); res.text("scimType") != "uniqueness" {
		t.Errorf("got %s", res.raw)
	}
	w.must(http.StatusCreated, "POST", w.strict+"/Users", user("cyd"))
	other := w.must(http.StatusCreated, "POST", w.url+"/Users", user("dov")).text("id")
	w.must(http.StatusConflict, "PUT", w.url+"/Users/"+other, user("CYD"))
	w.must(http.StatusConflict, "PATCH", w.url+"/Users/"+other, patch(object{"op": "replace", "value": object{"userName": "cyd"}}))
	w.must(http.StatusOK, "PUT", w.url+"/Users/"+other, user("eve"))
	w.must(http.StatusCreated, "POST", w.url+"/Users", user("dov"))
}

func TestAWriteOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	w := start(t)
	made := w.must(http.StatusCreated, "POST", w.url+"/Users", user("fay"))
	at, first := w.url+"/Users/"+made.text("id"), made.Header.Get("ETag")
	second := w.must(http.StatusOK, "PUT", at, user("fay", object{"title": "Lead"}), "If-Match", first).Header.Get("ETag")
	if first == second {
		t.Error("the version did not change")
	}
	for _, method := range []string{"PUT", "PATCH", "DELETE"} {
		var body any = user("fay")
		if method == "PATCH" {
			body = patch(object{"op": "remove", "path": "title"})
		}
		w.must(http.StatusPreconditionFailed, method, at, body, "If-Match", first)
	}
	w.must(http.StatusNotModified, "GET", at, nil, "If-None-Match", second)
	w.must(http.StatusNoContent, "DELETE", at, nil, "If-Match", `"x", `+second)
}

func TestAManagerIsFoundByTheResource(t *testing.T) {
	t.Parallel()
	w := start(t)
	boss := w.must(http.StatusCreated, "POST", w.url+"/Users", user("boss", object{enterpriseURN: object{"employeeNumber": 7}})).text("id")
	id := w.must(http.StatusCreated, "POST", w.url+"/Users", user("gil")).text("id")
	w.must(http.StatusOK, "PATCH", w.url+"/Users/"+id, patch(object{"op": "Add", "path": enterpriseURN + ":manager", "value": boss}))
	var last string
	for _, r := range w.Said(3) {
		if r.SourceKey == id {
			last = r.Person.Manager
		}
	}
	if last != "7" {
		t.Errorf("the manager is %q", last)
	}
}

func TestWhatIsWrongIsSaidInSCIMAndNothingIsWritten(t *testing.T) {
	t.Parallel()
	w := start(t)
	id := w.must(http.StatusCreated, "POST", w.url+"/Users", user("hal")).text("id")
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	for name, c := range map[string]struct {
		status       int
		method, path string
		body         any
		headers      []string
		says         string
	}{
		"no token":         {401, "GET", "/Users", nil, []string{"Authorization", ""}, "token"},
		"another token":    {401, "GET", "/Users", nil, []string{"Authorization", "Bearer scim-secret-0816"}, "token"},
		"no JSON":          {400, "POST", "/Users", `{"schemas": [`, nil, "invalidSyntax"},
		"a list":           {400, "POST", "/Users", `[]`, nil, "invalidSyntax"},
		"not UTF-8":        {400, "POST", "/Users", "{\"a\":\"\xff\"}", nil, "UTF-8"},
		"too deep":         {400, "POST", "/Users", deep, nil, "nested"},
		"too large":        {413, "POST", "/Users", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, nil, "larger"},
		"too large a body": {413, "POST", "/Users", user("big", object{"title": strings.Repeat("x", 600<<10)}), nil, "bytes"},
		"a form":           {415, "POST", "/Users", `{}`, []string{"Content-Type", "application/x-www-form-urlencoded"}, "Content-Type"},
		"Latin-1":          {415, "POST", "/Users", `{}`, []string{"Content-Type", "application/json; charset=iso-8859-1"}, "charset"},
		"no name":          {400, "POST", "/Users", object{"schemas": []string{userURN}}, nil, "userName is required"},
		"no schemas":       {400, "POST", "/Users", object{"userName": "x"}, nil, "invalidValue"},
		"active or not":    {400, "POST", "/Users", user("x", object{"active": "perhaps"}), nil, "invalidValue"},
		"a filter":         {400, "GET", "/Users?filter=userName+eq", nil, nil, "invalidFilter"},
		"a page":           {400, "GET", "/Users?startIndex=one", nil, nil, "invalidValue"},
		"no such":          {404, "GET", "/Users/none", nil, nil, "no such resource"},
		"no place":         {404, "GET", "/Bulk", nil, nil, "nothing at this address"},
		"no such method":   {405, "PUT", "/Users", user("x"), nil, "does not take PUT"},
		"an operation":     {400, "PATCH", "/Users/" + id, patch(object{"op": "move", "path": "title"}), nil, "invalidSyntax"},
		"no operation":     {400, "PATCH", "/Users/" + id, patch(), nil, "invalidSyntax"},
		"a path":           {400, "PATCH", "/Users/" + id, patch(object{"op": "add", "path": "emails[", "value": 1}), nil, "invalidPath"},
		"no attribute":     {400, "PATCH", "/Users/" + id, patch(object{"op": "add", "path": "shoeSize", "value": 1}), nil, "invalidPath"},
		"no path":          {400, "PATCH", "/Users/" + id, patch(object{"op": "remove"}), nil, "noTarget"},
		"the id":           {400, "PATCH", "/Users/" + id, patch(object{"op": "replace", "path": "id", "value": "1"}), nil, "mutability"},
		"the name away":    {400, "PATCH", "/Users/" + id, patch(object{"op": "remove", "path": "userName"}), nil, "mutability"},
		"no value fits":    {400, "PATCH", "/Users/" + id, patch(object{"op": "replace", "path": `emails[value co "x"].type`, "value": "work"}), nil, "noTarget"},
	} {
		res := w.call(c.method, w.url+c.path, c.body, c.headers...)
		if res.StatusCode != c.status || !strings.Contains(string(res.raw), c.says) || !strings.Contains(string(res.raw), "api:messages:2.0:Error") ||
			!strings.HasPrefix(res.Header.Get("Content-Type"), "application/scim+json") {
			t.Errorf("%s: %d %s, want %d saying %q", name, res.StatusCode, res.raw, c.status, c.says)
		}
	}
	if got := w.Said(1); len(got) != 1 {
		t.Errorf("%d records, want that of the hire", len(got))
	}
}

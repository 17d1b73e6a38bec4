package resource_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"joinery.internal/pkg/intake/scimserver/resource"
)

func parse(t testing.TB, text string) resource.Object {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var o resource.Object
	if err := d.Decode(&o); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return o
}

const (
	core       = `"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],`
	enterprise = `"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"`
	ada        = `{` + core + `"userName":"ada","emails":[{"type":"work","value":"a@acme.example","primary":true},{"type":"home","value":"a@home.example"}],"name":{"givenName":"Ada","familyName":"Nov"}}`
)

func TestPatchDoesWhatClientsMean(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ op, want string }{
		"replace a value":                 {`{"op":"replace","path":"name.familyName","value":"X"}`, `"name":{"givenName":"Ada","familyName":"X"}`},
		"capital letters":                 {`{"op":"Replace","path":"NAME.FAMILYNAME","value":"X"}`, `"name":{"givenName":"Ada","familyName":"X"}`},
		"a truth value as text":           {`{"op":"Replace","path":"active","value":"False"}`, `"active":false`},
		"without a path":                  {`{"op":"replace","value":{"active":"True","name.givenName":"B"}}`, `"active":true,"name":{"givenName":"B","familyName":"Nov"}`},
		"without a path, an extension":    {`{"op":"add","value":{` + enterprise + `:{"department":"Sales"}}}`, enterprise + `:{"department":"Sales"}`},
		"a flat name of an extension":     {`{"op":"add","value":{"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department":"Sales"}}`, enterprise + `:{"department":"Sales"}`},
		"the path of an extension":        {`{"op":"add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User","value":{"division":"D"}}`, enterprise + `:{"division":"D"}`},
		"a manager as text":               {`{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":"m-1"}`, enterprise + `:{"manager":{"value":"m-1"}}`},
		"part of the value that fits":     {`{"op":"replace","path":"emails[type eq \"work\"].value","value":"b@acme.example"}`, `"emails":[{"type":"work","value":"b@acme.example","primary":true},{"type":"home","value":"a@home.example"}]`},
		"a value that nobody had":         {`{"op":"Replace","path":"phoneNumbers[type eq \"mobile\"].value","value":"+420"}`, `"phoneNumbers":[{"type":"mobile","value":"+420"}]`},
		"another primary":                 {`{"op":"add","path":"emails","value":[{"value":"n@acme.example","primary":true}]}`, `"emails":[{"type":"work","value":"a@acme.example"},{"type":"home","value":"a@home.example"},{"value":"n@acme.example","primary":true}]`},
		"primary moves":                   {`{"op":"replace","path":"emails[type eq \"home\"].primary","value":true}`, `"emails":[{"type":"work","value":"a@acme.example"},{"type":"home","value":"a@home.example","primary":true}]`},
		"the same value again":            {`{"op":"add","path":"emails","value":{"type":"home","value":"a@home.example"}}`, ``},
		"a whole list":                    {`{"op":"replace","path":"emails","value":[{"value":"z@acme.example"}]}`, `"emails":[{"value":"z@acme.example"}]`},
		"remove the one that fits":        {`{"op":"remove","path":"emails[type eq \"home\"]"}`, `"emails":[{"type":"work","value":"a@acme.example","primary":true}]`},
		"remove a part":                   {`{"op":"remove","path":"emails[type eq \"work\"].primary"}`, `"emails":[{"type":"work","value":"a@acme.example"},{"type":"home","value":"a@home.example"}]`},
		"remove what is named by value":   {`{"op":"Remove","path":"emails","value":[{"value":"a@home.example"}]}`, `"emails":[{"type":"work","value":"a@acme.example","primary":true}]`},
		"remove all":                      {`{"op":"remove","path":"emails"}`, `"emails":null`},
		"remove what is not there":        {`{"op":"remove","path":"title"}`, ``},
		"null is to remove":               {`{"op":"replace","path":"name.familyName","value":null}`, `"name":{"givenName":"Ada"}`},
		"what is read only, without path": {`{"op":"replace","value":{"id":"9","meta":{},"title":"T"}}`, `"title":"T"`},
		"a password is not kept":          {`{"op":"replace","value":{"password":"hunter2"}}`, ``},
		"an extension that is not ours":   {`{"op":"add","path":"urn:acme:ext:1.0:User:badge","value":"7"}`, `"urn:acme:ext:1.0:User":{"badge":"7"}`},
	} {
		op := parse(t, c.op)
		path, _ := op["path"].(string)
		before := parse(t, ada)
		got, err := resource.User.Patch(before, []resource.Operation{{Op: op["op"].(string), Path: path, Value: op["value"]}})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := parse(t, ada)
		if c.want != "" {
			for k, v := range parse(t, "{"+c.want+"}") {
				want[k] = v
				if v == nil {
					delete(want, k)
				}
				if strings.HasPrefix(k, "urn:") {
					want["schemas"] = append(want["schemas"].([]any), k)
				}
			}
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %v\nwant %v", name, got, want)
		}
		if !reflect.DeepEqual(before, parse(t, ada)) {
			t.Errorf("%s changed the resource it was given", name)
		}
	}
}

func TestOperationsFollowOneAnotherAllOrNone(t *testing.T) {
	t.Parallel()
	ops := []resource.Operation{
		{Op: "add", Path: "title", Value: "Clerk"},
		{Op: "replace", Path: `emails[value eq "a@home.example"]`, Value: resource.Object{"display": "Home"}},
		{Op: "remove", Path: "emails[type eq \"work\"]"},
	}
	got, err := resource.User.Patch(parse(t, ada), ops)
	if err != nil {
		t.Fatal(err)
	}
	want := parse(t, `{`+core+`"userName":"ada","title":"Clerk","emails":[{"type":"home","value":"a@home.example","display":"Home"}],"name":{"givenName":"Ada","familyName":"Nov"}}`)
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	_, err = resource.User.Patch(parse(t, ada), append(ops, resource.Operation{Op: "replace", Path: "active", Value: "maybe"}))
	var bad *resource.Error
	if !errors.As(err, &bad) || bad.Type != "invalidValue" || !strings.Contains(bad.Detail, "operation 4") || strings.Contains(bad.Detail, "maybe") {
		t.Errorf("got %v", err)
	}
}

func TestMembersOfAGroupComeAndGo(t *testing.T) {
	t.Parallel()
	group, err := resource.Group.Normalise(parse(t, `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:Group"],"displayName":"all","members":[{"value":"1"},{"value":"2","display":"Bo"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, op := range []resource.Operation{
		{Op: "Add", Path: "members", Value: []any{resource.Object{"value": "2"}, resource.Object{"value": "3"}}},
		{Op: "Remove", Path: "members", Value: []any{resource.Object{"value": "1"}}},
		{Op: "remove", Path: `members[value eq "3"]`},
	} {
		if group, err = resource.Group.Patch(group, []resource.Operation{op}); err != nil {
			t.Fatal(err)
		}
	}
	if want := []any{resource.Object{"value": "2"}}; !reflect.DeepEqual(group["members"], want) {
		t.Errorf("got %v, want %v", group["members"], want)
	}
}

func FuzzPatch(f *testing.F) {
	for _, seed := range []string{`{"op":"add","path":"emails[type eq \"work\"].value","value":"x"}`, `{"op":"replace","value":{"name.givenName":1,"urn:a:b":{}}}`,
		`{"op":"remove","path":"members","value":[{"value":1}]}`, `{"op":"Add","path":"urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager","value":[[]]}`,
		`{"op":"replace","path":"emails[primary eq true]","value":{"primary":"True"}}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var op struct {
			Op, Path string
			Value    any
		}
		if json.Unmarshal([]byte(text), &op) != nil {
			return
		}
		got, err := resource.User.Patch(parse(t, ada), []resource.Operation{{Op: op.Op, Path: op.Path, Value: op.Value}, {Op: op.Op, Path: op.Path, Value: op.Value}})
		if err != nil {
			if bad := (*resource.Error)(nil); !errors.As(err, &bad) {
				t.Errorf("%s: %v", text, err)
			}
			return
		}
		again, err := resource.User.Normalise(got)
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Errorf("%s makes %v, which normalises to %v, %v", text, got, again, err)
		}
	})
}

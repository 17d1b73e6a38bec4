package sqldb

import (
	"slices"
	"strings"
	"testing"
)

func TestNamedParametersAreNumberedAndLookalikesLeftAlone(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a = :x and b = :y or c = :x":         "a = $1 and b = $2 or c = $1 | x y",
		"a = :x::text and b = ':no'":          "a = $1::text and b = ':no' | x",
		`select ":no" from t -- :no` + "\n:x": `select ":no" from t -- :no` + "\n$1 | x",
		"/* :no */ :x_1;":                     "/* :no */ $1 | x_1",
		"'it''s :no' || :x":                   "'it''s :no' || $1 | x",
		"$q$ :no $q$ || $$ :no $$ || :x":      "$q$ :no $q$ || $$ :no $$ || $1 | x",
		"a[1:2], '12:30', : x, :1":            "a[1:2], '12:30', : x, :1 | ",
		"`:no` = :x":                          "`:no` = $1 | x",
	} {
		st, err := parse(in, dollar)
		if got := st.text + " | " + strings.Join(st.params, " "); err != nil || got != want {
			t.Errorf("parse(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
	if _, err := parse("select 'open", dollar); err == nil {
		t.Error("an open string is taken")
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"a = :x", "':x'", "$a$ :x $a$", "/* :x", "::x", ":x:y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		st, err := parse(text, question)
		if err != nil {
			return
		}
		for _, param := range st.params {
			if !strings.Contains(text, ":"+param) || identifier(param) != param {
				t.Errorf("parse(%q) found the parameter %q", text, param)
			}
		}
		if sorted := slices.Sorted(slices.Values(st.params)); len(slices.Compact(sorted)) != len(st.params) {
			t.Errorf("parse(%q) numbers a parameter twice: %q", text, st.params)
		}
	})
}

func TestADatabaseOnAnotherMachineMustProveWhoItIs(t *testing.T) {
	t.Parallel()
	for url, verified := range map[string]bool{
		"postgres://db.acme.example/shop": true, "postgres:///shop?host=db.acme.example": true, "postgres://db.acme.example/shop?sslmode=disable": false,
		"postgres://127.0.0.1/shop": false, "postgres:///shop?host=/var/run/postgresql": false,
	} {
		config, err := postgres(map[string]string{"url": url, "user": "joinery", "password": "s3cret"})
		if err != nil {
			t.Fatal(err)
		}
		if got := config.TLSConfig != nil && !config.TLSConfig.InsecureSkipVerify && len(config.Fallbacks) == 0; got != verified {
			t.Errorf("%s is verified: %v", url, got)
		}
	}
}

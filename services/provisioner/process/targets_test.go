package process_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"joinery.internal/pkg/connector"
)

// subject is a target in the matrix: a real application that is looked into out of band.
type subject struct {
	gate    *gate
	file    string // the target file, of a target called app
	kind    string // of entitlements
	inspect func(t *testing.T) ([]connector.Object, []change)
	faults  []fault // its own, beside those of the gate
	short   fault   // its listings lack half of the accounts
	alter   func(t *testing.T, account string, v connector.Verb)
}

// change is one effective change, from the target's journal.
type change struct {
	account string
	verb    string
	item    string // of grant and revoke
}

// fault is one way to misbehave.
type fault struct {
	name       string
	begin, end func()
	lying      bool // evidence tells what the target says
}

// subjects are the targets in the matrix, by connector. Each starts what its subjects share, and makes them.
var subjects = map[string]func(t *testing.T) func(t *testing.T, dir string) *subject{"scim": scimSubjects, "sql": sqlSubjects}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Error(err)
	}
	next := path + ".new"
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		t.Error(err)
	}
	if err := os.Rename(next, path); err != nil {
		t.Error(err)
	}
}

const rotated = "rotated credentials"

// numbered gives secrets: the present one, and a new one.
func numbered() (now, next func() string) {
	n := 0
	now = func() string { return fmt.Sprint("secret-", n) }
	return now, func() string { n++; return now() }
}

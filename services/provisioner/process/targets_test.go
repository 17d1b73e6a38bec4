package process_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
)

// subject is a target in the matrix: a real application that is looked into out of band.
type subject struct {
	gate     *gate
	file     string                                // the target file, of a target called app
	kind     string                                // of entitlements
	mark     string                                // begins the ids of people, where targets share a name space
	accounts func(t testing.TB) []connector.Object // out of band, as the journal
	journal  func(t testing.TB) []entry
	faults   []fault // its own, beside those of the gate
	short    fault   // its listings lack half of the accounts
	cascades bool    // its journal says that who deletes an account takes its entitlements away
	alter    func(t testing.TB, account string, v connector.Verb)
	exec     func(statement string, args ...any) // of a database
}

// change is one effective change, from the target's journal.
type change struct {
	account string
	verb    string
	item    string // of grant and revoke
}

// entry is a change and when it was made.
type entry struct {
	change
	at time.Time
}

// fault is one way to misbehave.
type fault struct {
	name       string
	begin, end func()
	lying      bool // evidence tells what the target says
}

// subjects are the targets in the matrix, by connector. Each starts what its subjects share, and makes them.
var subjects = map[string]func(t testing.TB) func(t testing.TB, dir string) *subject{
	"ad": adSubjects, "ldap": ldapSubjects, "rest": restSubjects, "scim": scimSubjects, "sql": sqlSubjects}

func write(t testing.TB, path, text string) {
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

// took gives how long after it was sent each account was changed.
func (s *subject) took(t testing.TB, sent map[string]time.Time, verb string) (took []time.Duration) {
	t.Helper()
	for _, c := range s.journal(t) {
		if at, ok := sent[c.account]; ok && c.verb == verb {
			took = append(took, c.at.Sub(at))
		}
	}
	return took
}

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	slices.Sort(d)
	return d[min(int(q*float64(len(d))), len(d)-1)].Round(time.Millisecond)
}

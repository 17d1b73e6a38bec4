package memory

import (
	"strings"

	"joinery.internal/pkg/connector"
)

// SignIn begins a session of an account.
func (t *Target) SignIn(account string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sessions[t.names[strings.ToLower(account)]]++
}

// Sessions is how many are signed in with an account.
func (t *Target) Sessions(account string) int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.sessions[t.names[strings.ToLower(account)]]
}

func (t *Target) endSessions(op connector.Op, o connector.Object) connector.Result {
	res := connector.Result{RemoteID: o.RemoteID, Version: o.Version, Changed: t.sessions[o.RemoteID] > 0}
	if res.Changed {
		delete(t.sessions, o.RemoteID)
		t.record(op, o)
	}
	return res
}

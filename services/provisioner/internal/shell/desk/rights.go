package desk

import (
	"slices"
	"sync"
	"time"

	"joinery.internal/pkg/connector"
)

const (
	// rightTrial is how often a request of a refused kind is let through to see whether the right has come back. Targets
	// lock out who tries wrong credentials too often.
	rightTrial = 10 * time.Second
	// denialsMost is to how many accounts in a row changes of a kind are denied until the right counts as lacking: before
	// that it may be the account, such as an administrator's. A read that is denied means wrong credentials, and counts at once.
	denialsMost = 3
)

// rights remembers which kinds of request the target denies us, so that we stop making them.
type rights struct {
	mu      sync.Mutex
	denials map[string][]string  // kind of request -> accounts that it was denied for in a row
	refused map[string]time.Time // kind of request -> when one may be tried again
	granted time.Time            // when somebody who waits was last told to try
}

// requestKind is what a right is about: reading, a verb, a verb on a kind of entitlement.
func requestKind(op connector.Op) string {
	if len(op.Want.Entitlements) == 0 || op.Verb == connector.Create {
		return string(op.Verb)
	}
	kind, _, _ := connector.SplitEntitlement(op.Want.Entitlements[0])
	return string(op.Verb) + " " + kind
}

const readKind = "read"

// admit says whether a request of that kind may be made; of a refused kind one in rightTrial may.
func (r *rights) admit(kind string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	next, refused := r.refused[kind]
	if refused && now.Before(next) {
		return false
	}
	if refused {
		r.refused[kind] = now.Add(rightTrial)
	}
	return true
}

func (r *rights) note(kind, account string, class connector.Class, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch class {
	case connector.Denied:
		if r.refused == nil {
			r.denials, r.refused = map[string][]string{}, map[string]time.Time{}
		}
		if have := r.denials[kind]; len(have) < denialsMost && !slices.Contains(have, account) {
			r.denials[kind] = append(have, account)
		}
		if kind == readKind || len(r.denials[kind]) >= denialsMost {
			r.refused[kind] = now.Add(rightTrial)
		}
	case connector.Transient, connector.Throttled, connector.Ambiguous: // says nothing of rights
	default:
		delete(r.denials, kind)
		delete(r.refused, kind)
	}
}

// lack says that something is refused.
func (r *rights) lack() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.refused) > 0
}

// health is Up when nothing is refused, Trial when something refused may be tried: for one who asks in rightTrial, since who
// tries may need another right than the one that is refused.
func (r *rights) health(now time.Time) Health {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.refused) == 0 {
		return Up
	}
	if now.Before(r.granted.Add(rightTrial)) {
		return Down
	}
	for _, next := range r.refused {
		if !now.Before(next) {
			r.granted = now
			return Trial
		}
	}
	return Down
}

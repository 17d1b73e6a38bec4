package policy

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/types"
	"cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"
	"cel.dev/cel-go/interpreter"

	"joinery.internal/pkg/event"
)

// Input is everything a decision may depend on.
type Input struct {
	Person event.Person
	Before *event.Person // nil: there was none, and `before` is an empty person
	Event  EventInfo
	Now    time.Time
	Dir    Directory // nil: nobody else is known
	// AccountName is the name of the account that exists in the target in question; empty: the name is computed.
	AccountName string
}

// EventInfo is what policy sees as `event`.
type EventInfo struct {
	Kind        string
	Source      string
	Reason      string
	EffectiveAt time.Time
}

// Directory answers questions about other people. Its answers must not change during a call.
type Directory interface {
	ManagerOf(event.IdentityID) (event.IdentityID, bool) // the next one above who has not left
	Present(event.IdentityID) bool                       // known, and has not left
	MembersOf(role string) []event.IdentityID
	ByEmployeeNumber(string) (event.IdentityID, bool)
}

// nobody is the directory of an input that has none.
type nobody struct{}

func (nobody) ManagerOf(event.IdentityID) (event.IdentityID, bool) { return "", false }
func (nobody) Present(event.IdentityID) bool                       { return false }
func (nobody) MembersOf(string) []event.IdentityID                 { return nil }
func (nobody) ByEmployeeNumber(string) (event.IdentityID, bool)    { return "", false }

// activation is the state of one evaluation: the input as CEL sees it.
type activation struct {
	bundle  *Bundle
	person  *object
	before  *object
	event   *object
	account *object
	now     ref.Val
	dir     Directory
}

// activate makes the activation of an input. The input must outlive it and not change.
func (b *Bundle) activate(in *Input) *activation {
	before := in.Before
	if before == nil {
		before = &event.Person{}
	}
	a := &activation{
		bundle: b,
		person: b.types.person.of(&in.Person),
		before: b.types.person.of(before),
		event:  b.types.event.of(&in.Event),
		now:    types.Timestamp{Time: in.Now},
		dir:    in.Dir,
	}
	if a.dir == nil {
		a.dir = nobody{}
	}
	return a
}

func (a *activation) ResolveName(name string) (any, bool) {
	switch name {
	case "person":
		return a.person, true
	case "before":
		return a.before, true
	case "event":
		return a.event, true
	case "now":
		return a.now, true
	case "account":
		return a.account, a.account != nil
	}
	return nil, false
}

func (a *activation) Parent() cel.Activation { return nil }

// RoleDecision says whether a person has a role by birthright, by which rule, and the values that decided it.
type RoleDecision struct {
	Role    string
	Rule    string
	File    string
	Line    int
	Column  int
	Values  map[string]string
	Granted bool
}

// Birthright decides every role that has a birthright rule, in the order of the names. Rules that fail are in
// the error, which names them all, and their roles are not granted.
func (b *Bundle) Birthright(in Input) ([]RoleDecision, error) {
	act := b.activate(&in)
	frame, err := interpreter.NewExecutionFrame(act)
	if err != nil {
		return nil, fmt.Errorf("evaluate birthrights of %s: %w", in.Person.ID, err)
	}
	defer frame.Close()
	out := make([]RoleDecision, 0, len(b.birthrights))
	var errs []error
	for _, r := range b.birthrights {
		p := r.birthright
		granted, err := p.evalBool(frame)
		if err != nil {
			errs = append(errs, fmt.Errorf("birthright of role %s: %w", r.info.Name, err))
		}
		out = append(out, RoleDecision{Role: r.info.Name, Rule: p.source.Text, File: p.source.File, Line: p.source.Line,
			Column: p.source.Column, Values: act.values(p), Granted: granted})
	}
	return out, errors.Join(errs...)
}

// MayRequest says whether the role may be requested for the person, and why not.
func (b *Bundle) MayRequest(role string, in Input) (may bool, reason string, err error) {
	r, ok := b.roles[role]
	switch {
	case !ok:
		return false, fmt.Sprintf("there is no role %q", role), nil
	case r.info.Requestable == nil:
		return false, fmt.Sprintf("role %q cannot be requested", role), nil
	case r.when == nil:
		return true, "", nil
	}
	may, err = r.when.evalBool(b.activate(&in))
	if err != nil {
		return false, "", fmt.Errorf("requestable.when of role %s: %w", role, err)
	}
	if !may {
		reason = fmt.Sprintf("role %q can be requested only when %s", role, r.when.source.Text)
	}
	return may, reason, nil
}

// Urgent says whether the input, a leaver, belongs on the emergency lane.
func (b *Bundle) Urgent(in Input) (bool, error) {
	if b.urgent == nil {
		return false, nil
	}
	urgent, err := b.urgent.evalBool(b.activate(&in))
	if err != nil {
		return false, fmt.Errorf("lifecycle.leaver.urgent: %w", err)
	}
	return urgent, nil
}

// Account is what an account in a target should be called and hold.
type Account struct {
	Name string
	// Numbered: the name gets 2, 3, … where it is taken in the target. It is never set for a name that exists.
	Numbered   bool
	Attributes map[string]string // keys as in the file, such as emails.work
}

// ErrNoName is returned when the name of an account comes out without a letter or digit: slug and ascii leave nothing of
// a name in another script.
var ErrNoName = errors.New("the account name has no letter or digit for this person; give it an alternative, such as the employee number")

// ErrUnknown is returned for a name that the bundle does not have.
var ErrUnknown = errors.New("not in the policy")

// Account computes a person's account in a target. In attributes `account.name` is in.AccountName, or the
// computed name without its number: compute again once the number is known.
func (b *Bundle) Account(target string, in Input) (Account, error) {
	t, ok := b.accounts[target]
	if !ok {
		return Account{}, fmt.Errorf("compute account: target %q: %w", target, ErrUnknown)
	}
	act := b.activate(&in)
	out := Account{Name: in.AccountName, Attributes: make(map[string]string, len(t.attributes))}
	if out.Name == "" {
		v, err := t.name.eval(act)
		if err != nil {
			return Account{}, fmt.Errorf("compute account name in %s: %w", target, err)
		}
		switch name := v.(type) {
		case numbered:
			out.Name, out.Numbered = string(name), true
		case types.String:
			out.Name = string(name)
		}
		if !strings.ContainsFunc(out.Name, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			return Account{}, fmt.Errorf("compute account name in %s by %s: %w", target, t.name.source.Pos(), ErrNoName)
		}
	}
	act.account = b.types.account.of(&accountView{out.Name, target})
	for _, at := range t.attributes {
		v, err := at.program.eval(act)
		if err != nil {
			return Account{}, fmt.Errorf("compute attribute %s in %s: %w", at.name, target, err)
		}
		out.Attributes[at.name] = asText(v)
	}
	return out, nil
}

// ids evaluates an expression that gives identity ids: each once, in the order given, empty ones left out.
func (b *Bundle) ids(p *program, in *Input) ([]event.IdentityID, error) {
	v, err := p.eval(b.activate(in))
	if err != nil {
		return nil, err
	}
	list, ok := v.(traits.Lister)
	if !ok {
		return nil, fmt.Errorf("evaluate the expression at %s: it gives no list", p.source.Pos())
	}
	var out []event.IdentityID
	seen := map[event.IdentityID]bool{"": true}
	for it := list.Iterator(); it.HasNext() == types.True; {
		id := event.IdentityID(asText(it.Next()))
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	return out, nil
}

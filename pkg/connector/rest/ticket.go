package rest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/httpcall"
)

// Tickets is a target that people change by hand, asked by tickets of an ITSM. What it holds is what the tickets say
// that were done: an account is the fold of them, in their order.
//
//	Apply -> no ticket of this change -> open one -> waiting
//	      -> open                     ->             waiting
//	      -> rejected                 ->             invalid, with what the person wrote
//	(done: Get shows it, and the next plan goes on from there)
//
// A change is asked for once: its ticket is known by the operation's key, the change, and how many tickets were done
// before. Open tickets of an account that ask for something else have been overtaken and are cancelled.
type Tickets struct {
	client                   *Client // for its calls
	id, state, payload, said *program
	find, open               call
	cancel                   *call
	every                    time.Duration
}

// defaultEvery is how often an open ticket is looked at where the target file does not say.
const defaultEvery = 15 * time.Minute

// OpenTickets checks the settings and compiles the expressions; it makes no call.
func OpenTickets(s connector.Settings) (*Tickets, error) {
	op := "open target " + s.Name
	if err := s.CheckKeys(Keys()...); err != nil {
		return nil, err
	}
	base, err := baseURL(s)
	if err != nil {
		return nil, err
	}
	if s.Ticket == nil {
		return nil, connector.Errorf(connector.Invalid, op, "the target file has no ticket section; connector ticket needs its calls")
	}
	k, err := newCompiler()
	if err != nil {
		return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	t := &Tickets{client: &Client{http: httpcall.Caller{Base: base, HTTP: httpcall.NewClient(), Timeout: s.CallTimeout()}}, every: s.Ticket.Every}
	if t.every <= 0 {
		t.every = defaultEvery
	}
	t.client.http.Explain = t.client.explain
	t.id, t.state = k.compile("ticket.item.id", s.Ticket.ID), k.compile("ticket.item.state", s.Ticket.State)
	t.payload, t.said = k.compile("ticket.item.payload", s.Ticket.Payload), k.compile("ticket.item.said", s.Ticket.Said)
	t.find, t.open = k.call("ticket.calls.find", "find", s.Ticket.Find), k.call("ticket.calls.open", "open", s.Ticket.Open)
	if s.Ticket.Cancel != nil {
		cancel := k.call("ticket.calls.cancel", "cancel", *s.Ticket.Cancel)
		t.cancel = &cancel
	}
	if err := errors.Join(k.err(), t.client.authenticate(s.Connection)); err != nil {
		return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	return t, nil
}

// Close drops idle connections.
func (t *Tickets) Close() error { return t.client.Close() }

// Describe says what people can do: anything; it makes no call.
func (t *Tickets) Describe(context.Context) (connector.Descriptor, error) {
	return connector.Descriptor{Connector: "ticket"}, nil
}

// Check looks for the tickets of an account that does not exist.
func (t *Tickets) Check(ctx context.Context) ([]connector.Finding, error) {
	_, err := t.tickets(ctx, "find tickets", "joinery-check-nobody")
	if ctx.Err() != nil {
		return nil, connector.ContextError(ctx, "check target", false)
	}
	f := connector.Finding{Level: connector.OK, Subject: "right to find tickets", Message: "allowed"}
	if err != nil {
		f.Level, f.Message = connector.Fault, err.Error()+"; see connection.url"
	}
	return []connector.Finding{f, {Level: connector.Warning, Subject: "right to open tickets", Message: "needed; not tried, since it shows only in doing so"},
		{Level: connector.Warning, Subject: "list accounts", Message: "people do not list accounts: the target cannot be reconciled"}}, nil
}

// request is the payload of a ticket: the change, and what it is known by.
type request struct {
	Change     string // see change
	Verb       connector.Verb
	Account    string
	Enabled    bool              `json:",omitempty"`
	Attributes map[string]string `json:",omitempty"`
	Granted    []string          `json:",omitempty"` // of grant and revoke
}

// ticket is one ticket of an account.
type ticket struct {
	request
	id, state, said string
}

const stateOpen, stateDone, stateRejected = "open", "done", "rejected"

// tickets reads all tickets of an account, in the order in which the ITSM gives them.
func (t *Tickets) tickets(ctx context.Context, op, account string) ([]ticket, error) {
	v := blank().with(values{"account": account})
	got, err := t.client.do(ctx, op, t.find, v, connector.Object{}, "", nil)
	if err != nil {
		return nil, err
	}
	items, err := t.find.items.list(got.set(v))
	if err != nil {
		return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	var out []ticket
	for _, item := range items {
		one, err := t.read(item)
		if err != nil {
			return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
		}
		if strings.EqualFold(one.Account, account) { // an API may ignore a filter
			out = append(out, one)
		}
	}
	return out, nil
}

func (t *Tickets) read(item any) (one ticket, err error) {
	v := blank().with(values{"item": item})
	var payload string
	for _, part := range []struct {
		p    *program
		into *string
	}{{t.id, &one.id}, {t.state, &one.state}, {t.payload, &payload}, {t.said, &one.said}} {
		if *part.into, err = part.p.text(v); err != nil {
			return one, err
		}
	}
	if one.state != stateOpen && one.state != stateDone && one.state != stateRejected {
		return one, fmt.Errorf("ticket.item.state gives %q; it must give open, done or rejected", one.state)
	}
	if payload != "" { // a ticket that people made themselves has none, and is nobody's account
		if err := json.Unmarshal([]byte(payload), &one.request); err != nil {
			return one, fmt.Errorf("the payload of ticket %s is not ours: %w", one.id, err)
		}
	}
	return one, nil
}

// fold is the account after the tickets that were done.
func fold(account string, tickets []ticket) (o connector.Object, there bool, done int) {
	for _, one := range tickets {
		if one.state != stateDone {
			continue
		}
		done++
		switch one.Verb {
		case connector.Create:
			o, there = connector.Object{Ref: connector.Ref{Account: account, RemoteID: account}, Enabled: one.Enabled, Attributes: map[string]string{}}, true
		case connector.Delete:
			o, there = connector.Object{}, false
		case connector.Enable, connector.Disable:
			o.Enabled = one.Verb == connector.Enable
		case connector.Grant:
			o.Entitlements = append(o.Entitlements, one.Granted...)
		case connector.Revoke:
			o.Entitlements = slices.DeleteFunc(o.Entitlements, func(e string) bool { return slices.Contains(one.Granted, e) })
		}
		if there {
			maps.Copy(o.Attributes, one.Attributes)
			maps.DeleteFunc(o.Attributes, func(_, value string) bool { return value == "" })
		}
	}
	slices.Sort(o.Entitlements)
	o.Entitlements = slices.Compact(o.Entitlements)
	return o, there, done
}

// Get is what people have said to have done.
func (t *Tickets) Get(ctx context.Context, ref connector.Ref) (connector.Object, error) {
	op := "get account " + ref.Account
	account := ref.Account
	if ref.RemoteID != "" {
		account = ref.RemoteID
	}
	all, err := t.tickets(ctx, op, account)
	if err != nil {
		return connector.Object{}, err
	}
	o, there, _ := fold(account, all)
	if !there {
		return o, &connector.Error{Class: connector.NotFound, Op: op, Err: connector.ErrNotFound}
	}
	return o, nil
}

// Apply asks for one change, unless it is so already.
func (t *Tickets) Apply(ctx context.Context, op connector.Op) (connector.Result, error) {
	what := string(op.Verb) + " account " + op.Ref.Account
	account := op.Ref.Account
	switch {
	case op.Verb == connector.Create:
		account = op.Want.Account
	case op.Ref.RemoteID != "":
		account = op.Ref.RemoteID
	}
	all, err := t.tickets(ctx, what, account)
	if err != nil {
		return connector.Result{}, err
	}
	now, there, done := fold(account, all)
	needed, err := needs(what, op, now, there)
	if err != nil || !needed {
		return connector.Result{RemoteID: now.RemoteID}, err
	}
	r := request{Verb: op.Verb, Account: account, Enabled: op.Want.Enabled, Attributes: op.Want.Attributes, Granted: op.Want.Entitlements}
	r.Change = change(op, done)
	id := ""
	for _, one := range all {
		switch {
		case one.Change == r.Change && one.state == stateRejected:
			return connector.Result{}, connector.Errorf(connector.Invalid, what, "ticket %s was rejected: %s", one.id, one.said)
		case one.Change == r.Change && one.state == stateOpen:
			id = one.id
		case one.state == stateOpen:
			if err := t.overtaken(ctx, what, one); err != nil {
				return connector.Result{}, err
			}
		}
	}
	if id == "" {
		if err := t.ask(ctx, what, op, r); err != nil {
			return connector.Result{}, err
		}
		id = "just opened"
	}
	return connector.Result{}, &connector.Error{Class: connector.Waiting, Op: what, RetryAfter: t.every, Err: fmt.Errorf("a person has it (ticket %s)", id)}
}

// change is what a ticket is known by.
func change(op connector.Op, done int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %q %d", op.Key, op.Verb, op.Want.Entitlements, done))
	return hex.EncodeToString(sum[:12])
}

// needs reports whether a change is still to be made.
func needs(what string, op connector.Op, now connector.Object, there bool) (bool, error) {
	if op.Verb == connector.Create && there {
		return false, connector.Errorf(connector.Conflict, what, "there is one already")
	}
	if !there && op.Verb != connector.Create && op.Verb != connector.Delete {
		return false, &connector.Error{Class: connector.NotFound, Op: what, Err: connector.ErrNotFound}
	}
	switch op.Verb {
	case connector.Create:
		return true, nil
	case connector.Delete:
		return there, nil
	case connector.Enable, connector.Disable:
		return now.Enabled != (op.Verb == connector.Enable), nil
	case connector.Grant, connector.Revoke:
		return slices.ContainsFunc(op.Want.Entitlements, func(e string) bool {
			return slices.Contains(now.Entitlements, e) != (op.Verb == connector.Grant)
		}), nil
	case connector.Update:
		if op.Want.Account != "" && !strings.EqualFold(op.Want.Account, now.Account) {
			return false, connector.Errorf(connector.Unsupported, what, "an account kept by tickets cannot be renamed")
		}
		for name, value := range op.Want.Attributes {
			if now.Attributes[name] != value {
				return true, nil
			}
		}
		return false, nil
	default:
		return false, connector.Errorf(connector.Unsupported, what, "verb %q is not known", op.Verb)
	}
}

// ask opens a ticket.
func (t *Tickets) ask(ctx context.Context, what string, op connector.Op, r request) error {
	payload, err := json.Marshal(r)
	if err != nil {
		return connector.Errorf(connector.Invalid, what, "encode the change: %w", err)
	}
	var text strings.Builder
	fmt.Fprintf(&text, "Please %s the account %s.\n", r.Verb, r.Account)
	for _, e := range r.Granted {
		fmt.Fprintf(&text, "- %s\n", e)
	}
	for _, name := range slices.Sorted(maps.Keys(r.Attributes)) {
		fmt.Fprintf(&text, "- %s: %s\n", name, r.Attributes[name])
	}
	if r.Verb == connector.Create && !r.Enabled {
		text.WriteString("- it is to be disabled for now\n")
	}
	v := blank().with(values{"account": r.Account, "key": r.Change, "title": what, "text": text.String(), "payload": string(payload)})
	_, err = t.client.do(ctx, what, t.open, v, op.Want, "", nil)
	return err
}

func (t *Tickets) overtaken(ctx context.Context, what string, one ticket) error {
	if t.cancel == nil {
		return nil
	}
	_, err := t.client.do(ctx, what, *t.cancel, blank().with(values{"id": one.id, "account": one.Account}), connector.Object{}, "", nil)
	return err
}

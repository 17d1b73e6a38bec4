package rest

import (
	"cmp"
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
	byhand "joinery.internal/pkg/connector/ticket"
)

// Tickets is a target that people change by hand, asked by tickets of an ITSM. What it holds is what the tickets say
// that were done: an account is the fold of them, in their order.
//
//	Ask -> no ticket of this plan -> open one -> waiting
//	    -> open                   ->             waiting
//	    -> rejected               ->             invalid, with what the person wrote
//	(done: Get shows it, and nothing is left to plan)
//
// A plan is asked for once: its ticket is known by key, steps, and how many tickets were done before. Open tickets of an
// account that ask for something else have been overtaken and are cancelled.
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

// request is the payload of a ticket: what is asked for, and what it is known by.
type request struct {
	Plan    string // see Tickets
	Account string
	Steps   []step
}

// step is one change.
type step struct {
	Verb       connector.Verb
	Enabled    bool              `json:",omitempty"` // of create
	Attributes map[string]string `json:",omitempty"`
	Items      []string          `json:",omitempty"` // of grant and revoke
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

// fold is the account after the tickets that were done. A step that does not follow from those before it changes nothing.
func fold(ctx context.Context, account string, tickets []ticket) (have *connector.Object, done int) {
	paper := byhand.NewPaper(nil)
	for _, one := range tickets {
		if one.state != stateDone {
			continue
		}
		done++
		for _, s := range one.Steps {
			ref := connector.Ref{Account: account}
			want := connector.Object{Ref: ref, Enabled: s.Enabled, Attributes: s.Attributes, Entitlements: s.Items}
			_, _ = paper.Apply(ctx, connector.Op{Verb: s.Verb, Ref: ref, Want: want}) // see above
		}
	}
	return paper.Account(), done
}

// Get is what people have said to have done.
func (t *Tickets) Get(ctx context.Context, ref connector.Ref) (connector.Object, error) {
	op := "get account " + ref.Account
	account := cmp.Or(ref.RemoteID, ref.Account)
	all, err := t.tickets(ctx, op, account)
	if err != nil {
		return connector.Object{}, err
	}
	have, _ := fold(ctx, account, all)
	if have == nil {
		return connector.Object{}, &connector.Error{Class: connector.NotFound, Op: op, Err: connector.ErrNotFound}
	}
	return *have, nil
}

// OnPaper implements connector.ByHand.
func (*Tickets) OnPaper(have *connector.Object) connector.Connector { return byhand.NewPaper(have) }

// Apply refuses: people are asked for a plan as a whole.
func (*Tickets) Apply(_ context.Context, op connector.Op) (connector.Result, error) {
	return connector.Result{}, connector.Errorf(connector.Unsupported, string(op.Verb)+" account "+op.Ref.Account, "people change this target")
}

// Ask implements connector.Asker.
func (t *Tickets) Ask(ctx context.Context, key string, have *connector.Object, plan []connector.Op) error {
	r := request{Account: plan[0].Ref.Account}
	if have != nil {
		r.Account = have.RemoteID
	}
	what := "ask for changes to account " + r.Account
	all, err := t.tickets(ctx, what, r.Account)
	if err != nil {
		return err
	}
	_, done := fold(ctx, r.Account, all)
	for _, op := range plan {
		r.Steps = append(r.Steps, step{op.Verb, op.Verb == connector.Create && op.Want.Enabled, op.Want.Attributes, op.Want.Entitlements})
	}
	r.Plan = known(key, r.Steps, done)
	id := ""
	for _, one := range all {
		switch {
		case one.Plan == r.Plan && one.state == stateRejected:
			return connector.Errorf(connector.Invalid, what, "ticket %s was rejected: %s", one.id, one.said)
		case one.Plan == r.Plan && one.state == stateOpen:
			id = one.id
		case one.state == stateOpen:
			if err := t.overtaken(ctx, what, one); err != nil {
				return err
			}
		}
	}
	if id == "" {
		if err := t.ask(ctx, what, r); err != nil {
			return err
		}
		id = "just opened"
	}
	return &connector.Error{Class: connector.Waiting, Op: what, RetryAfter: t.every, Err: fmt.Errorf("a person has it (ticket %s)", id)}
}

// known is what the ticket of a plan is known by.
func known(key string, steps []step, done int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %q %d", key, fmt.Sprint(steps), done)) // maps print sorted
	return hex.EncodeToString(sum[:12])
}

// ask opens a ticket.
func (t *Tickets) ask(ctx context.Context, what string, r request) error {
	payload, err := json.Marshal(r)
	if err != nil {
		return connector.Errorf(connector.Invalid, what, "encode the changes: %w", err)
	}
	title := fmt.Sprintf("%s account %s", r.Steps[0].Verb, r.Account)
	v := blank().with(values{"account": r.Account, "key": r.Plan, "title": title, "text": r.text(), "payload": string(payload)})
	_, err = t.client.do(ctx, what, t.open, v, connector.Object{Attributes: r.values()}, "", nil)
	return err
}

// text is what the person reads.
func (r request) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Please make these changes to the account %s, in this order:\n", r.Account)
	for i, s := range r.Steps {
		fmt.Fprintf(&b, "%d. %s", i+1, s.Verb)
		if s.Verb == connector.Create && !s.Enabled {
			b.WriteString(" it, disabled for now")
		}
		for _, item := range s.Items {
			fmt.Fprintf(&b, " %s", item)
		}
		b.WriteByte('\n')
		for _, name := range slices.Sorted(maps.Keys(s.Attributes)) {
			fmt.Fprintf(&b, "   - %s: %s\n", name, s.Attributes[name])
		}
	}
	return b.String()
}

// values are all that the ticket carries: what the ITSM says of them is not for logs.
func (r request) values() map[string]string {
	out := map[string]string{}
	for _, s := range r.Steps {
		maps.Copy(out, s.Attributes)
	}
	return out
}

func (t *Tickets) overtaken(ctx context.Context, what string, one ticket) error {
	if t.cancel == nil {
		return nil
	}
	_, err := t.client.do(ctx, what, *t.cancel, blank().with(values{"id": one.id, "account": one.Account}), connector.Object{}, "", nil)
	return err
}

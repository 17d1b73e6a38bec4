package account_test

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/transcript"
	"joinery.internal/services/provisioner/internal/account"
	"joinery.internal/services/provisioner/internal/guard"
)

// TestTranscripts replays testdata/*.txt: prose, then commands, each followed by what it led to.
//
//	want v=2 [lane=leaver] [state=disabled] [name=a] [numbered]
//	nudge | orphan account=x | again-assigned
//	answer [class=transient] [refused] [overtaken] [down] [retry-after=5s] [adopted] [changes=create,grant] [doubt=grant] [account=a remote=r state=active]
//	       [withheld=approval_missing,approval_forged]
//	       [held=mass-leaver.12345678] [counted=mass-leaver]
//	       [asked=create,grant]
//	done | refuse [ticket=old] [actor=id-1]   a person's word on the ticket
//	drop                           nothing is wanted any more
//	decided trip=mass-leaver.12345678 by=release|cancel
//	crash                          the process dies with the call; the next owner makes it again
//	wake                           go to the timer and let it fire
//	pass 5m                        time goes by
func TestTranscripts(t *testing.T) {
	t.Parallel()
	transcript.Run(t, replay)
}

type player struct {
	t     *testing.T
	state account.State
	last  account.Decision
	now   time.Time
	step  int
}

func replay(t *testing.T, text string) string {
	t.Helper()
	p := &player{t: t, now: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)}
	var out strings.Builder
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		switch {
		case strings.HasPrefix(line, "  "): // told anew below
		case line == "" || strings.HasPrefix(line, "#"):
			out.WriteString(line + "\n")
		default:
			out.WriteString(line + "\n" + p.play(line))
		}
	}
	return out.String()
}

func (p *player) play(line string) string {
	args := map[string]string{}
	words := strings.Fields(line)
	for _, w := range words[1:] {
		k, v, _ := strings.Cut(w, "=")
		args[k] = v
	}
	p.step++
	w := account.Work{State: p.state, Cause: "tick/0/" + strconv.Itoa(p.step), Now: p.now, Instance: "0"}
	switch words[0] {
	case "want":
		return p.tell(w.Wanted(p.desired(args)))
	case "nudge":
		return p.tell(w.Nudged(event.DriftEvent{Meta: event.Meta{EventID: "drift-1"}}))
	case "orphan":
		return p.tell(w.Orphaned(event.DriftEvent{Meta: event.Meta{EventID: "drift-1", Target: "chat", Account: args["account"]}}))
	case "again-assigned":
		return p.tell(w.Reconsidered())
	case "done", "refuse":
		c := event.TicketCommand{ID: "act-1", Kind: event.TicketAct(words[0]), Ticket: args["ticket"], IdentityID: "id-1", Target: "chat", Actor: cmp.Or(args["actor"], "id-boss"), Reason: "so it is"}
		if open := p.state.Ticket(); open != nil && c.Ticket == "" {
			c.Ticket = open.ID
		}
		return p.tell(w.Closed(c))
	case "drop":
		return p.tell(w.Dropped())
	case "decided":
		return p.tell(w.Decided(guard.Trip{ID: args["trip"], Guard: "mass-leaver", Decision: event.GuardAct(args["by"])}))
	case "answer":
		return p.tell(w.Answered(p.result(args)))
	case "wake":
		if p.last.WakeAt.IsZero() {
			p.t.Fatalf("wake: no timer is set")
		}
		w.Now, p.now = p.last.WakeAt, p.last.WakeAt
		return p.tell(w.Woken())
	case "crash":
		p.state.Unsure = true
		return ""
	case "release":
		w.State = p.state.Released(p.now)
		return p.tell(w.Woken())
	case "pass":
		d, err := time.ParseDuration(words[1])
		if err != nil {
			p.t.Fatal(err)
		}
		p.now = p.now.Add(d)
		return ""
	}
	p.t.Fatalf("unknown command %q", line)
	return ""
}

func (p *player) desired(args map[string]string) event.Desired {
	v, err := strconv.ParseInt(args["v"], 10, 64)
	if err != nil {
		p.t.Fatal(err)
	}
	d := event.Desired{IdentityID: "id-1", Target: "chat", Version: v, CaseID: event.CaseID("case-" + args["v"]), CausationID: "hr-" + args["v"],
		Lane: event.LaneJoiner, State: event.AccountActive, AccountName: "ana"}
	if l := args["lane"]; l != "" {
		d.Lane = event.Lane(l)
	}
	if s := args["state"]; s != "" {
		d.State = event.AccountState(s)
	}
	if n := args["name"]; n != "" {
		d.AccountName = n
	}
	_, d.Numbered = args["numbered"]
	return d
}

func (p *player) result(args map[string]string) account.Result {
	r := account.Result{Class: connector.Class(args["class"]), Account: args["account"], RemoteID: args["remote"], State: event.AccountState(args["state"])}
	if i := p.state.Intent; i != nil {
		r.Intent, r.Attempt, r.Round = i.ID, i.Attempt, i.Round
	}
	if late, ok := args["attempt"]; ok {
		r.Attempt, _ = strconv.Atoi(late)
	}
	if late, ok := args["round"]; ok {
		r.Round, _ = strconv.Atoi(late)
	}
	r.Handover = args["handover"]
	_, r.Refused = args["refused"]
	if _, r.Overtaken = args["overtaken"]; r.Overtaken {
		r.Refused, r.Class = true, connector.Transient
	}
	_, r.Down = args["down"]
	_, r.Adopted = args["adopted"]
	for i, reason := range strings.FieldsFunc(args["withheld"], func(r rune) bool { return r == ',' }) {
		r.Withheld = append(r.Withheld, account.Withheld{Item: "chat:group/g" + strconv.Itoa(i+1), Reason: account.WithheldReason(reason)})
	}
	if trip := args["held"]; trip != "" {
		r.Held = &account.Held{Trip: trip, Guard: "mass-leaver", Message: "enough"}
	}
	if scope := args["counted"]; scope != "" {
		r.Counted = []guard.Count{{Scope: guard.Scope(scope), At: p.now, Until: p.now.Add(time.Hour)}}
	}
	r.Changes, r.Doubt = changes(args["changes"]), changes(args["doubt"])
	if asked := args["asked"]; asked != "" {
		r.Doubt = changes(asked)
		r.Asked = &account.Asked{Account: "ana", After: &connector.Object{Ref: connector.Ref{Account: "ana", RemoteID: "ana"}}}
		for _, c := range r.Doubt {
			r.Asked.Steps = append(r.Asked.Steps, event.TicketStep{Verb: c.Verb, Attributes: map[string]string{"title": "Engineer"}})
		}
	}
	if d := args["retry-after"]; d != "" {
		var err error
		if r.RetryAfter, err = time.ParseDuration(d); err != nil {
			p.t.Fatal(err)
		}
	}
	return r
}

func changes(verbs string) (out []event.Change) {
	for v := range strings.FieldsFuncSeq(verbs, func(r rune) bool { return r == ',' }) {
		out = append(out, event.Change{Verb: v})
	}
	return out
}

func (p *player) tell(d account.Decision) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "  "+format+"\n", args...) }
	for i := range d.Events {
		e := &d.Events[i]
		if err := e.Valid(); err != nil {
			p.t.Error(err)
		}
		text := fmt.Sprintf("%s v%d", e.Kind, e.Version)
		for _, part := range []struct{ name, value string }{{"account", e.Account}, {"case", string(e.CaseID)}, {"reason", e.Reason}, {"entitlement", e.Entitlement},
			{"state", string(e.State)}, {"class", e.Class}, {"handover", e.Handover}, {"trip", e.ExceptionID[:strings.LastIndexByte(e.ExceptionID, '.')+1]}, {"resolution", e.Resolution}} {
			if part.value != "" {
				text += " " + part.name + "=" + part.value
			}
		}
		if e.Attempt > 0 {
			text += fmt.Sprintf(" attempt=%d", e.Attempt)
		}
		for _, c := range e.Changes {
			text += " +" + c.Verb
		}
		line("%s", text)
	}
	for _, c := range d.State.Counted {
		line("counted by %s for %s", c.Scope, c.Until.Sub(p.now))
	}
	if d.Call != nil && len(d.Call.Passed) > 0 {
		line("not to be counted by %v", d.Call.Passed)
	}
	if d.Call != nil {
		line("call v%d attempt %d round %d account=%q remote=%q", d.Call.Want.Version, d.Call.Intent.Attempt, d.Call.Intent.Round, d.Call.Account, d.Call.RemoteID)
	}
	if d.Overtaken != "" {
		line("the call in flight is overtaken")
	}
	if open := d.State.Ticket(); d.Moved && open != nil {
		line("shown: a ticket of v%d for %d steps", open.Version, len(open.Steps))
	} else if d.Moved {
		line("shown: no ticket")
	}
	if s := d.State; s.Wait != account.WaitNothing {
		line("waits: %s", s.Wait)
	}
	if !d.WakeAt.IsZero() {
		line("timer in %s", d.WakeAt.Sub(p.now).Round(time.Millisecond))
	}
	if d.Forget {
		line("forgotten")
		d.State = account.State{}
	}
	if b.Len() == 0 {
		line("nothing")
	}
	p.state, p.last = d.State, d
	return b.String()
}

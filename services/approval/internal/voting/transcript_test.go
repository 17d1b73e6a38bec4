package voting_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/approvalproof"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/transcript"
	"joinery.internal/services/approval/internal/voting"
)

// A transcript is prose, then blocks: commands, a line of four dashes, and what follows from the commands up to an
// empty line. The request is for ada; max asks, unless it says otherwise.
//
//	stage NAME by=A,B [fallback=C] [escalate=24h:D] [deny=5d] [quorum=2] [exclude=previous]    of the next request
//	request [from=PERSON] [for=90d]
//	approve|deny PERSON [id=COMMAND] [after=DURATION]   said so long after now, and before any timer has fired
//	delegate PERSON to=PERSON
//	applaud PERSON                 an act of no known kind
//	again                          the same request once more
//	reassign                       says who decides from now on, by the stages given before
//	withdraw
//	wait DURATION                  moves the clock through all timers due
func TestTranscripts(t *testing.T) {
	t.Parallel()
	transcript.Run(t, func(t *testing.T, text string) string {
		r := &room{t: t, now: start, key: approvalproof.NewKey(bytes.Repeat([]byte{7}, 32))}
		return transcript.Blocks(text, func(commands []string) string {
			r.out.Reset()
			for _, command := range commands {
				r.run(strings.Fields(command))
			}
			return r.out.String()
		})
	})
}

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

// room is where one approval after the other is decided.
type room struct {
	t       testing.TB
	now     time.Time
	key     approvalproof.Key
	state   voting.State
	stages  []event.ApprovalStage
	records int
	asked   int
	wake    time.Time
	out     strings.Builder
}

func (r *room) work() voting.Work {
	r.records++
	b, err := json.Marshal(r.state)
	if err != nil {
		r.t.Fatal(err)
	}
	var restored voting.State
	if err := json.Unmarshal(b, &restored); err != nil {
		r.t.Fatal(err)
	}
	return voting.Work{State: restored, Cause: fmt.Sprintf("record-%d", r.records), Now: r.now, Signer: r.key}
}

// after is work that is done later, though no timer has fired.
func (r *room) after(late string) voting.Work {
	w := r.work()
	w.Now = w.Now.Add(2 * r.duration(late))
	return w
}

func (r *room) run(words []string) {
	args := map[string]string{}
	for _, w := range words {
		if k, v, ok := strings.Cut(w, "="); ok {
			args[k] = v
		}
	}
	switch words[0] {
	case "stage":
		r.stages = append(r.stages, r.stage(words[1], args))
	case "request":
		r.asked++
		r.state = voting.State{}
		r.show(r.work().Requested(r.request(args)))
		r.stages = nil
	case "again":
		r.show(r.work().Requested(r.request(args)))
	case "reassign":
		q := r.request(args)
		q.RequestID, r.stages = fmt.Sprintf("rq-%d", r.asked), nil
		r.show(r.work().Requested(q))
	case "withdraw":
		r.show(r.work().Requested(event.ApprovalRequest{RequestID: fmt.Sprintf("rq-%d", r.asked), IdentityID: "ada", Cancelled: true}))
	case "approve", "deny", "delegate", "applaud":
		id := args["id"]
		if id == "" {
			id = fmt.Sprintf("command-%d", r.records)
		}
		r.show(r.after(args["after"]).Voted(event.ApprovalCommand{ID: id, At: r.now.Add(r.duration(args["after"])), Kind: event.VoteKind(words[0]), IdentityID: "ada", Actor: event.IdentityID(words[1]), To: event.IdentityID(args["to"])}))
	case "wait":
		r.waitFor(r.duration(words[1]))
	default:
		r.t.Fatalf("unknown command %q", words)
	}
}

func (r *room) request(args map[string]string) event.ApprovalRequest {
	from := event.IdentityID("max")
	if args["from"] != "" {
		from = event.IdentityID(args["from"])
	}
	return event.ApprovalRequest{RequestID: fmt.Sprintf("rq-%d", r.asked), IdentityID: "ada", Role: "approver", Entitlements: []string{"erp:role/approver"},
		Requester: from, Policy: "p1", DurationMS: r.duration(args["for"]).Milliseconds(), Stages: r.stages}
}

func (r *room) stage(name string, args map[string]string) event.ApprovalStage {
	people := func(s string) (out []event.IdentityID) {
		for _, id := range strings.FieldsFunc(s, func(c rune) bool { return c == ',' }) {
			out = append(out, event.IdentityID(id))
		}
		return out
	}
	st := event.ApprovalStage{Name: name, Approvers: people(args["by"]), Fallback: people(args["fallback"]), Quorum: 1, Exclude: []string{args["exclude"]},
		DenyAfterMS: r.duration(args["deny"]).Milliseconds()}
	if n, err := strconv.Atoi(args["quorum"]); err == nil {
		st.Quorum = n
	}
	if after, to, ok := strings.Cut(args["escalate"], ":"); ok {
		st.EscalateAfterMS, st.EscalateTo = r.duration(after).Milliseconds(), people(to)
	}
	return st
}

func (r *room) duration(s string) time.Duration {
	if s == "" {
		return 0
	}
	times := time.Duration(1)
	if days, ok := strings.CutSuffix(s, "d"); ok {
		s, times = days+"h", 24
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		r.t.Fatal(err)
	}
	return times * d
}

func (r *room) waitFor(d time.Duration) {
	end := r.now.Add(d)
	for !r.wake.IsZero() && !r.wake.After(end) {
		r.now = r.wake
		fmt.Fprintf(&r.out, "-- %s\n", stamp(r.now))
		r.show(r.work().Due())
	}
	r.now = end
}

func (r *room) show(d voting.Decision) {
	r.state, r.wake = d.State, d.WakeAt
	for _, e := range d.Events {
		fmt.Fprint(&r.out, strings.TrimPrefix(string(e.Kind), "approval."))
		if e.Stage != "" {
			fmt.Fprintf(&r.out, " %s", e.Stage)
		}
		if e.Actor != voting.Actor {
			fmt.Fprintf(&r.out, " by %s", e.Actor)
		}
		if e.Reason != "" {
			fmt.Fprintf(&r.out, " (%s)", e.Reason)
		}
		if len(e.Approvers) > 0 {
			fmt.Fprintf(&r.out, ", asks %v", e.Approvers)
		}
		if !e.DueAt.IsZero() {
			fmt.Fprintf(&r.out, " until %s", stamp(e.DueAt))
		}
		if e.Proof != nil {
			fmt.Fprintf(&r.out, ", proof of %s until %s: %s", e.Proof.Role, stamp(e.Proof.ExpiresAt), r.verdict(*e.Proof))
		}
		r.out.WriteByte('\n')
	}
	if d.Forget {
		r.out.WriteString("forgotten\n")
	}
}

func (r *room) verdict(proof event.Approval) string {
	if err := approvalproof.Verify(r.key.Public(), "ada", proof, r.now); err != nil {
		return err.Error()
	}
	return "valid"
}

func stamp(at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return at.UTC().Format("2006-01-02 15:04")
}

package access

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"joinery.internal/pkg/event"
)

// requestTask is what is asked of people without anything hanging on the answer.
const requestTask event.RequestKind = "task"

// Processes that tasks name.
const (
	taskContractEnd = "contract-end"
	taskOwnership   = "ownership"
)

// taskPatience is how long a task stands in the inbox of those it was given to, before it goes to those above.
const taskPatience = 3 * 24 * time.Hour

// task is something people are asked to see to.
type task struct {
	id      string
	process string
	say     string
	who     []event.IdentityID
	above   []event.IdentityID
}

// remind tells, as the end of a contract comes near, that access ends with it; whoever manages the person is asked to
// see to it. A task that was given stands until the contract ends or is extended. An end that is near as soon as it is
// known is told at once.
func (w *Work) remind() {
	p := w.State.Person
	if p == nil || p.Emergency {
		return
	}
	for _, job := range w.jobs() {
		end := w.ends(job)
		id := event.DeriveID("task", 0, string(w.ID), taskContractEnd, end.UTC().Format(time.RFC3339))
		given := slices.ContainsFunc(w.State.Requests, func(q Request) bool { return q.ID == id })
		near, fresh := false, !given
		for _, at := range reminders(job, w.Bundle.Lifecycle(), end) {
			near = near || !at.After(w.at)
			fresh = fresh || at.After(w.State.Reviewed) && !at.After(w.at)
		}
		if near && fresh {
			w.access(event.AccessEvent{Until: end, Meta: event.Meta{Kind: event.AccessRevokeScheduled, Outcome: "reminded", Reason: "contract_end",
				Message: fmt.Sprintf("The contract and its access end %s, in %s.", end.UTC().Format(time.DateOnly), inDays(end.Sub(w.at)))}})
		}
		if near {
			say := fmt.Sprintf("The contract ends %s: have it extended at its source, or let the access end.", end.UTC().Format(time.DateOnly))
			w.tasks = append(w.tasks, w.manages(task{id: id, process: taskContractEnd, say: say}))
		}
	}
}

func inDays(d time.Duration) string {
	if days := int((d.Hours() + 12) / 24); days != 1 {
		return fmt.Sprintf("%d days", days)
	}
	return "1 day"
}

// manages gives a task to the person's manager, and to the one above.
func (w *Work) manages(t task) task {
	dir := own{w.Dir, *w.State.Person}
	if manager, ok := dir.ManagerOf(w.State.Person.ID); ok {
		t.who = append(t.who, manager)
		if above, ok := dir.ManagerOf(manager); ok {
			t.above = append(t.above, above)
		}
	}
	return t
}

// findOwnerless finds what a person who has left still owns by policy: an exception, and a task for the next in line.
// The exception goes once policy names another owner.
func (w *Work) findOwnerless() {
	p := w.State.Person
	if p == nil || p.EmployeeNumber == "" || p.MergedInto != "" || w.standing() != gone {
		return
	}
	for _, o := range w.Bundle.OwnedBy(p.EmployeeNumber) {
		t := w.manages(task{id: event.DeriveID("task", 0, string(w.ID), taskOwnership, o.What), process: taskOwnership})
		if second, known := w.Dir.ByEmployeeNumber(o.Secondary); known && o.Secondary != "" && w.Dir.Present(second) {
			t.above, t.who = append(t.who, t.above...), []event.IdentityID{second}
		}
		next := "nobody is next in line"
		if len(t.who) > 0 {
			next = "the next in line is asked to take it on"
		}
		t.say = fmt.Sprintf("The owner of %s has left; %s.", o.What, next)
		f := finding{class: classOwnership, message: t.say}
		if role, ok := strings.CutPrefix(o.What, "role:"); ok {
			f.role = role
		} else {
			f.target = strings.TrimPrefix(o.What, "target:")
		}
		w.find(taskOwnership+"/"+o.What, f)
		if len(t.who) > 0 {
			w.tasks = append(w.tasks, t)
		}
	}
}

// settleTasks gives the tasks that are new, and takes back those that are moot.
func (w *Work) settleTasks() {
	for _, q := range slices.Clone(w.State.Requests) {
		if q.Kind == requestTask && !slices.ContainsFunc(w.tasks, func(t task) bool { return t.id == q.ID }) {
			w.cancel(q)
		}
	}
	for _, t := range w.tasks {
		if len(t.who) == 0 || slices.ContainsFunc(w.State.Requests, func(q Request) bool { return q.ID == t.id }) {
			continue
		}
		stage := event.ApprovalStage{Name: t.process, Approvers: t.who, EscalateTo: t.above, Fallback: t.above, Quorum: 1}
		if len(t.above) > 0 {
			stage.EscalateAfterMS = taskPatience.Milliseconds()
		}
		w.out.Approvals = append(w.out.Approvals, &event.ApprovalRequest{RequestID: t.id, CaseID: w.caseID, IdentityID: w.ID, Process: t.process,
			Requester: Actor, Reason: t.say, Policy: w.Bundle.Hash(), RequestedAt: w.Now, Stages: []event.ApprovalStage{stage}, Task: true})
		w.State.Requests = append(w.State.Requests, Request{ID: t.id, Kind: requestTask, Case: w.caseID, Actor: Actor})
	}
}

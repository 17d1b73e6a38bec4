// Package voting decides approvals: who may decide now, what a vote means, and how an approval ends.
//
// An approval has stages, decided one after the other; each needs a quorum of approvals, and one denial ends it all.
// Nobody decides on what they asked for themselves or on what is for themselves, whatever the policy says.
//
//	            quorum          quorum, last stage
//	stage n ------------> n+1 -------------------> granted, with proof
//	   |  |
//	   |  +-- escalateAfter: those it escalates to may decide too
//	   +-- a denial: refused   nobody can decide: refused   denyAfter: expired   withdrawn: expired
//
// It owns stages, votes and the content of the proof. It does not own who the approvers are (the policy resolver has
// worked that out), the signature (pkg/approvalproof), storage and timers (app). Pure; a Work serves one call.
//
//	d := voting.Work{State: s, Cause: record.ID(), Now: now, Signer: key}.Voted(command)
//	// publish d.Events, keep d.State, call Due at d.WakeAt
package voting

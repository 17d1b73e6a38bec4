// Package access decides what access one person has: which roles, since and until when, what each of their accounts
// should be, and the cases that tell the story of each change.
//
// Roles follow from the person as they are now and the policy of today, never from the change alone; so it does not
// matter how they came to be as they are. What each account should be is a level too: it is computed afresh from
// person, roles and policy, and published only if it differs from what was published last.
//
//	person, policy --review--> roles --level--> desired states --provisioning--> cases close
//	   ^  ^                      ^
//	   |  activation             requests, approvals, the ends of graces and durations
//	   identity events
//
// # Roles
//
//	the person is        roles
//	hired, not due yet   none; given when accounts come due (lifecycle.prehire before the start)
//	here, or on leave    birthrights by rule, and what was asked for and approved while its condition holds
//	ended, or held       none; what was asked for is remembered and given back if the end is taken back;
//	                     what is privileged is asked for again, and nothing comes back after a rehire
//
// Of several employments each gives what it gives: the roles are the union. A contract ends with the longest term of
// policy, whatever its end date.
//
// A role that a move takes away is kept for the grace of policy; one that is privileged, or breaks a separation of
// duties with what is new, goes at once, and so does what only an employment gave that has ended beside another. Back
// within the grace it is live again. A change of policy takes at once.
//
// # Accounts
//
//	the account is                                   it should be
//	needed by a role, person here                    as the target's lifecycle says of the status
//	not needed any more                              disabled, and absent after deleteAfter
//	there, person ended                              as the target says of the ended, and absent after deleteAfter
//	there, person held by an emergency               disabled, for as long as that takes, and signed out
//	there, person under a legal hold                 as above, but never absent
//	from before, and too old to be used again        absent first; then made anew
//	not there and not needed                         nothing is said of it
//
// # Cases
//
// A case is one workflow. It is open until the versions it asked for, or newer ones, are in their targets and its
// request is decided. What was only scheduled opens a case of its own when its time comes.
//
//	opened --+--> completed (succeeded, refused)
//	         +--> waiting (approval, held) --> completed
//	         +--> failed --> remediated, completed
//
// # What people are asked
//
// Requests for approval and tasks go to people as policy and directory name them; when these change, whoever is asked
// changes with them. A task - a contract that ends, something whose owner has left - changes no access by its answer.
//
// It owns the meaning of all that and the shape of State. It does not own what policy says (pkg/policy), storage,
// timers and topics (app), or who approves (services/approval). Pure; a Work serves one call and one goroutine.
//
//	d := access.Work{State: s, ID: id, Bundle: bundle, Dir: directory, Cause: record.ID(), Now: now}.Happened(e)
//	// publish what d holds, keep d.State, call Due at d.WakeAt
package access

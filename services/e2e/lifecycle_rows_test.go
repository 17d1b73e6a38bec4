package e2e_test

import (
	"slices"
	"strings"

	"joinery.internal/pkg/event"
)

// lifecycleRows is the table of cases, in its order (design: what each case must do).
func lifecycleRows() []row {
	return slices.Concat(joinersAndMovers(), contractors(), leavers(), peopleAround(), records())
}

func chat(number, state string, has ...string) held {
	return held{number: number, target: "chat", state: state, has: has}
}
func wiki(number, state string, has ...string) held {
	return held{number: number, target: "wiki", state: state, has: has}
}
func erp(number, state string, has ...string) held {
	return held{number: number, target: "erp", state: state, has: has}
}
func (h held) without(e ...string) held { h.lacks = e; return h }

// bare is a person's identity id without its prefix.
func bare(number string) string { return strings.TrimPrefix(string(identity(number)), "p-") }

func joinersAndMovers() []row {
	return []row{
		{name: "hire dated ahead: disabled three days before, active in the morning of the first day", people: []string{"4001"},
			steps: []step{
				{0, []act{hr("4001", starts(5))}, []held{chat("4001", "absent")}},
				{2, nil, []held{chat("4001", "disabled"), wiki("4001", "absent")}},
				{5, nil, []held{chat("4001", "active", "group/engineering"), wiki("4001", "active", "group/readers")}}},
			evidence: []string{"4001 identity.hire", "4001 identity.started", "4001 access.granted staff-base birthright", "4001 case.completed succeeded identity.started"}},
		{name: "start moved: nothing on the old day, what came too early goes back", people: []string{"4002"},
			steps: []step{
				{0, []act{hr("4002", starts(2))}, []held{chat("4002", "disabled")}},
				{1, []act{hr("4002", starts(9))}, []held{chat("4002", "disabled")}},
				{2, nil, []held{chat("4002", "disabled")}},
				{9, nil, []held{chat("4002", "active")}}},
			evidence: []string{"4002 identity.hire", "4002 access.revoked not_started", "4002 identity.started"}},
		{name: "no-show: the hire is rescinded, accounts disabled, evidence kept", people: []string{"4003"},
			steps: []step{
				{0, []act{hr("4003", starts(2))}, []held{chat("4003", "disabled")}},
				{1, []act{says("hr", "4003", event.Rescind, "", "no_show", nil)}, []held{chat("4003", "disabled")}},
				{5, nil, []held{chat("4003", "disabled").without("group/everyone")}}},
			evidence: []string{"4003 identity.hire_rescinded no_show", "4003 access.revoked staff-base ended"},
			never:    []string{"4003 identity.started", "4003 identity.termination"}},
		{name: "missing from a feed: suspect, never ended", people: []string{"4004"},
			steps: []step{
				{0, []act{hr("4004")}, []held{chat("4004", "active")}},
				{1, []act{says("hr", "4004", event.Absent, "", "missing", nil)}, []held{chat("4004", "active")}}},
			evidence: []string{"4004 identity.suspect_absence"}, never: []string{"4004 identity.termination", "4004 access.revoked"}},
		{name: "department change: new access at once, old access kept for the grace; a second move does not extend it", people: []string{"4005"},
			steps: []step{
				{0, []act{hr("4005", in("Finance"))}, []held{erp("4005", "active", "role/reader")}},
				{1, []act{hr("4005", in("Sales"))}, []held{chat("4005", "active", "group/sales"), erp("4005", "active", "role/reader")}},
				{9, []act{hr("4005", in("Engineering"))}, []held{chat("4005", "active", "group/engineering", "group/sales"), erp("4005", "active", "role/reader")}},
				{16, nil, []held{erp("4005", "disabled").without("role/reader"), chat("4005", "active", "group/sales")}},
				{24, nil, []held{chat("4005", "active", "group/engineering").without("group/sales")}}},
			evidence: []string{"4005 identity.department_change", "4005 access.grace_started finance-reader moved", "4005 access.revoked finance-reader grace_ended"}},
		{name: "transfer: the directory follows, access stays", people: []string{"4006"},
			steps: []step{
				{0, []act{hr("4006")}, []held{chat("4006", "active")}},
				{1, []act{hr("4006", titled("Lead"), func(p *event.Profile) { p.Location = "Brno" })}, []held{chat("4006", "active", "group/engineering")}}},
			evidence: []string{"4006 identity.transfer"}, never: []string{"4006 access.revoked"}},
		{name: "back within the grace: the grant is live again without approval, its end is gone", people: []string{"4007"},
			steps: []step{
				{0, []act{hr("4007", in("Finance"))}, []held{erp("4007", "active", "role/reader")}},
				{1, []act{hr("4007", in("Sales"))}, []held{chat("4007", "active", "group/sales")}},
				{9, []act{hr("4007", in("Finance"))}, []held{erp("4007", "active", "role/reader")}},
				{24, nil, []held{erp("4007", "active", "role/reader")}}},
			evidence: []string{"4007 access.extended finance-reader returned"}, never: []string{"4007 access.revoked finance-reader", "4007 approval.requested"}},
		{name: "privilege change: two approvals, proof checked, and it goes with the move at once", people: []string{"4008"},
			steps: []step{
				{0, []act{hr("4008", in("Finance"))}, []held{erp("4008", "active", "role/reader")}},
				{0, []act{asks("4008", "grant", "payments-approver", "4008"), decides("1002", "approve", "two-stage", "4008"), decides("1001", "approve", "two-stage", "4008")},
					[]held{erp("4008", "active", "role/payments-approver", "role/reader")}},
				{1, []act{hr("4008", in("Sales"))}, []held{erp("4008", "active", "role/reader").without("role/payments-approver")}}},
			evidence: []string{"4008 approval.granted", "4008 access.granted payments-approver approved", "4008 access.revoked payments-approver moved"}},
		{name: "a separation of duties is broken only by a waiver, for as long as it lasts", people: []string{"4009"},
			steps: []step{
				{0, []act{hr("4009", in("Finance"))}, []held{erp("4009", "active", "role/reader")}},
				{0, []act{asks("4009", "grant", "payments-creator", "4009"), decides("1002", "approve", "manager-only", "4009")}, []held{erp("4009", "active", "role/payments-creator")}},
				{0, []act{asks("4009", "grant", "payments-approver", "4009"), decides("1002", "approve", "two-stage", "4009"), decides("1001", "approve", "two-stage", "4009"),
					decides("1004", "approve", "two-stage", "4009")}, []held{erp("4009", "active", "role/payments-approver", "role/payments-creator")}},
				{31, nil, []held{erp("4009", "active", "role/payments-creator").without("role/payments-approver")}}},
			evidence: []string{"4009 access.granted payments-approver approved", "4009 access.expired payments-approver duration"}},
		{name: "name and mail change: same person, same account", people: []string{"4010"},
			steps: []step{
				{0, []act{hr("4010")}, []held{chat("4010", "active")}},
				{1, []act{hr("4010", func(p *event.Profile) { p.FamilyName, p.Email = "Lind", "lind@acme.example" })}, []held{chat("4010", "active")}}},
			evidence: []string{"4010 identity.profile_change", "4010 provision.applied chat"}, never: []string{"4010 access.revoked"}},
		{name: "leave and return: inactive, assignments kept, back without approvals", people: []string{"4011"},
			steps: []step{
				{0, []act{hr("4011")}, []held{chat("4011", "active")}},
				{1, []act{says("hr", "4011", event.Suspend, "", "parental", nil)}, []held{chat("4011", "disabled", "group/engineering"), wiki("4011", "disabled")}},
				{9, []act{says("hr", "4011", event.Resume, "", "", nil)}, []held{chat("4011", "active", "group/engineering"), wiki("4011", "active")}}},
			evidence: []string{"4011 identity.leave_started", "4011 identity.leave_ended"}, never: []string{"4011 access.revoked", "4011 approval.requested"}},
	}
}

func contractors() []row {
	return []row{
		{name: "a contractor without an end date gets nothing until it comes", people: []string{"4101"},
			steps: []step{
				{0, []act{hr("4101", contracts)}, []held{chat("4101", "absent")}},
				{1, []act{hr("4101", contracts, until(9))}, []held{chat("4101", "active", "group/contractors")}},
				{16, nil, []held{chat("4101", "disabled").without("group/contractors")}}},
			evidence: []string{"4101 exception.opened quarantined", "4101 exception.resolved quarantined", "4101 identity.contract_ended", "4101 access.revoked contractor-base ended"}},
		{name: "a contract's end is reminded of, and its manager has a task, until it is extended", people: []string{"4102"},
			steps: []step{
				{0, []act{hr("4102", contracts, until(38))}, []held{chat("4102", "active", "group/contractors")}},
				{9, []act{decides("1002", "approve", "contract-end", "4102")}, []held{chat("4102", "active")}},
				{31, []act{hr("4102", contracts, until(60))}, []held{chat("4102", "active", "group/contractors")}},
				{41, nil, []held{chat("4102", "active", "group/contractors")}}},
			evidence: []string{"4102 access.revoke_scheduled reminded contract_end", "4102 approval.requested", "4102 identity.contract_end_changed"}},
		{name: "a contract is no longer than policy allows, whatever its end date", people: []string{"4103"},
			steps: []step{
				{0, []act{hr("4103", contracts, until(700), starts(-360))}, []held{chat("4103", "active", "group/contractors")}},
				{9, nil, []held{chat("4103", "disabled").without("group/contractors")}}},
			evidence: []string{"4103 exception.opened invalid", "4103 access.revoked contractor-base max_term"}},
		{name: "end moved later after it had come: access is given back", people: []string{"4104"},
			steps: []step{
				{0, []act{hr("4104", contracts, until(1))}, []held{chat("4104", "active")}},
				{5, nil, []held{chat("4104", "disabled")}},
				{5, []act{hr("4104", contracts, until(60))}, []held{chat("4104", "active", "group/contractors")}}},
			evidence: []string{"4104 identity.contract_ended", "4104 identity.contract_end_changed"}},
		{name: "end moved into the past: now", people: []string{"4105"},
			steps: []step{
				{0, []act{hr("4105", contracts, until(60))}, []held{chat("4105", "active")}},
				{5, []act{hr("4105", contracts, until(1))}, []held{chat("4105", "disabled").without("group/contractors")}}},
			evidence: []string{"4105 access.revoked contractor-base ended"}},
		{name: "a contractor becomes an employee, dated ahead: it waits, and there is no leaver between", people: []string{"4106"},
			steps: []step{
				{0, []act{hr("4106", contracts, until(4))}, []held{chat("4106", "active", "group/contractors")}},
				{1, []act{hr("4106", starts(5))}, []held{chat("4106", "active", "group/contractors")}},
				{5, nil, []held{chat("4106", "active", "group/everyone"), wiki("4106", "active", "group/readers")}}},
			evidence: []string{"4106 identity.conversion"}, never: []string{"4106 identity.termination", "4106 identity.contract_ended", "4106 access.revoked contractor-base ended"}},
	}
}

func leavers() []row {
	return []row{
		{name: "termination dated ahead: the last day is worked, deleted after its time", people: []string{"4201"},
			steps: []step{
				{0, []act{hr("4201")}, []held{chat("4201", "active")}},
				{1, []act{hrEnds("4201", date(2), "resignation")}, []held{chat("4201", "active")}},
				{2, nil, []held{chat("4201", "active")}},
				{5, nil, []held{chat("4201", "disabled").without("group/everyone"), wiki("4201", "disabled")}},
				{41, nil, []held{wiki("4201", "absent"), chat("4201", "disabled")}}},
			evidence: []string{"4201 identity.termination_scheduled", "4201 identity.termination resignation", "4201 access.desired_changed chat leaver", "4201 access.expired wiki delete_after"}},
		{name: "termination in the past: now, with the exposure in evidence", people: []string{"4202"},
			steps: []step{
				{0, []act{hr("4202")}, []held{chat("4202", "active")}},
				{5, []act{hrEnds("4202", date(1), "resignation")}, []held{chat("4202", "disabled"), wiki("4202", "disabled")}}},
			evidence: []string{"4202 identity.termination resignation", "4202 case.completed succeeded identity.termination"}},
		{name: "termination corrected: the earlier timer goes, the new one counts", people: []string{"4203"},
			steps: []step{
				{0, []act{hr("4203")}, []held{chat("4203", "active")}},
				{0, []act{hrEnds("4203", date(2), "resignation")}, []held{chat("4203", "active")}},
				{1, []act{says("hr", "4203", event.CorrectTermination, date(9), "", nil)}, []held{chat("4203", "active")}},
				{5, nil, []held{chat("4203", "active")}},
				{16, nil, []held{chat("4203", "disabled")}}},
			evidence: []string{"4203 identity.termination_corrected", "4203 identity.termination"}},
		{name: "termination reversed: accounts again, what was asked for restored, what is privileged asked for again", people: []string{"4204"},
			steps: []step{
				{0, []act{hr("4204", in("Finance"))}, []held{erp("4204", "active", "role/reader")}},
				{0, []act{asks("4204", "grant", "archivist", "4204"), asks("4204", "grant", "payments-approver", "4204"), decides("1002", "approve", "two-stage", "4204"),
					decides("1001", "approve", "two-stage", "4204")}, []held{wiki("4204", "active", "group/archive"), erp("4204", "active", "role/payments-approver")}},
				{1, []act{hrEnds("4204", date(0), "resignation")}, []held{wiki("4204", "disabled").without("group/archive"), erp("4204", "disabled").without("role/payments-approver")}},
				{2, []act{says("hr", "4204", event.ReverseTermination, "", "stays", nil)},
					[]held{wiki("4204", "active", "group/archive"), erp("4204", "active", "role/reader").without("role/payments-approver")}},
				{2, []act{decides("1002", "approve", "two-stage", "4204"), decides("1001", "approve", "two-stage", "4204")}, []held{erp("4204", "active", "role/payments-approver")}}},
			evidence: []string{"4204 identity.termination_reversed", "4204 access.granted archivist restored", "4204 access.requested payments-approver policy-resolver"}},
		{name: "emergency: at once and sticky, whatever HR sends, until two people lift it", people: []string{"4208"},
			steps: []step{
				{0, []act{hr("4208")}, []held{chat("4208", "active")}},
				{1, []act{tool(0, "emergency", "terminate", "4208", "--reason", "laptop stolen", "--as", "1004")}, []held{chat("4208", "disabled"), wiki("4208", "disabled")}},
				{2, []act{hr("4208", titled("Lead")), tool(0, "emergency", "lift", "4208", "--reason", "found", "--as", "1004"),
					tool(1, "emergency", "lift", "4208", "--reason", "found", "--as", "1004")}, []held{chat("4208", "disabled"), wiki("4208", "disabled")}},
				{2, []act{tool(0, "emergency", "lift", "4208", "--reason", "I have seen it", "--as", "1002")}, []held{chat("4208", "active", "group/engineering"), wiki("4208", "active")}}},
			evidence: []string{"4208 access.requested emergency p-" + bare("1004"), "4208 identity.emergency_termination joinery", "4208 access.desired_changed chat emergency",
				"4208 approval.approved p-" + bare("1002"), "4208 identity.emergency_lifted"}},
		{name: "emergency made moot by a termination: nothing comes back", people: []string{"4209"},
			steps: []step{
				{0, []act{hr("4209")}, []held{chat("4209", "active")}},
				{1, []act{tool(0, "emergency", "terminate", "4209", "--reason", "account taken over")}, []held{chat("4209", "disabled")}},
				{2, []act{hrEnds("4209", date(1), "dismissal")}, []held{chat("4209", "disabled")}},
				{9, nil, []held{chat("4209", "disabled")}}},
			evidence: []string{"4209 identity.emergency_termination", "4209 identity.termination dismissal"}, never: []string{"4209 access.granted restored"}},
		{name: "rehire within the time of policy: the same person and account, nothing resurrected", people: []string{"4205"},
			steps: []step{
				{0, []act{hr("4205")}, []held{chat("4205", "active")}},
				{0, []act{asks("4205", "grant", "archivist", "4205")}, []held{wiki("4205", "active", "group/archive")}},
				{1, []act{hrEnds("4205", date(0), "resignation")}, []held{chat("4205", "disabled")}},
				{16, []act{hr("4205", starts(16), in("Sales"))}, []held{chat("4205", "active", "group/sales").without("group/engineering"), wiki("4205", "active").without("group/archive")}}},
			evidence: []string{"4205 identity.rehire", "4205 provision.applied chat"}},
		{name: "rehire after that: the old account goes, another is made", people: []string{"4206"},
			steps: []step{
				{0, []act{hr("4206")}, []held{chat("4206", "active")}},
				{1, []act{hrEnds("4206", date(0), "resignation")}, []held{chat("4206", "disabled")}},
				{41, []act{hr("4206", starts(41))}, []held{chat("4206", "active", "group/everyone")}}},
			evidence: []string{"4206 identity.rehire", "4206 access.desired_changed chat absent", "4206 access.desired_changed chat active joiner"}},
		{name: "legal hold: disabled, never deleted while it stands", people: []string{"4207"},
			steps: []step{
				{0, []act{hr("4207", func(p *event.Profile) { p.Attributes = map[string]string{"legal_hold": "matter-7"} })}, []held{wiki("4207", "active")}},
				{1, []act{hrEnds("4207", date(0), "resignation")}, []held{wiki("4207", "disabled")}},
				{41, nil, []held{wiki("4207", "disabled")}}},
			evidence: []string{"4207 identity.termination"}, never: []string{"4207 access.expired wiki"}},
	}
}

func peopleAround() []row {
	lab := func(p *event.Profile) { p.Department = "Finance" }
	return []row{
		{name: "two jobs: what either gives; the end of one takes what only it gave, a leaver only with the last", people: []string{"4310"},
			steps: []step{
				{0, []act{hr("4310"), says("lab", "4310", event.Upsert, "", "", profile("4310", lab))}, []held{chat("4310", "active", "group/engineering"), erp("4310", "active", "role/reader")}},
				{1, []act{says("lab", "4310", event.Terminate, date(0), "project_over", nil)}, []held{chat("4310", "active", "group/engineering"), erp("4310", "disabled").without("role/reader")}},
				{2, []act{hrEnds("4310", date(1), "resignation")}, []held{chat("4310", "disabled"), wiki("4310", "disabled")}}},
			evidence: []string{"4310 access.revoked finance-reader job_ended", "4310 identity.termination"}},
		{name: "rehire under a new number: a strong key says it is the same person", people: []string{"4312"},
			steps: []step{
				{0, []act{hr("4312")}, []held{chat("4312", "active")}},
				{1, []act{hrEnds("4312", date(0), "resignation")}, []held{chat("4312", "disabled")}},
				{9, []act{hr("4313", starts(9), func(p *event.Profile) { p.Email = "w4312@acme.example" })}, []held{chat("4312", "active", "group/engineering"), chat("4313", "absent")}}},
			evidence: []string{"4312 identity.rehire"}, never: []string{"4313 identity.hire"}},
		{name: "merge and split: accounts follow, and nobody is a leaver", people: []string{"4320", "4321"},
			steps: []step{
				{0, []act{hr("4320"), hr("4321", in("Finance"))}, []held{chat("4320", "active"), erp("4321", "active", "role/reader"), erp("4320", "absent")}},
				{1, []act{joins(event.Merge, "4320", "4321")}, []held{erp("4320", "active", "role/reader"), erp("4321", "absent"), chat("4320", "active", "group/engineering")}},
				{5, []act{joins(event.SplitOff, "4320", "4321")}, []held{erp("4321", "active", "role/reader"), chat("4320", "active", "group/engineering"), chat("4321", "active")}}},
			evidence: []string{"4321 identity.merged", "4320 identity.merged", "4320 provision.adopted erp", "4320 identity.split", "4321 identity.split"},
			never:    []string{"4320 identity.termination", "4321 identity.termination", "4321 access.desired_changed erp disabled", "4320 access.desired_changed erp leaver"}},
		{name: "the manager changes: open approvals follow", people: []string{"4301"},
			steps: []step{
				{0, []act{hr("4301", in("Finance"))}, []held{erp("4301", "active", "role/reader")}},
				{0, []act{asks("4301", "grant", "payments-creator", "4301"), hr("4301", in("Finance"), manager("1000")), decides("1000", "approve", "manager-only", "4301")},
					[]held{erp("4301", "active", "role/payments-creator")}}},
			evidence: []string{"4301 approval.reassigned directory", "4301 access.granted payments-creator approved"}},
		{name: "the manager leaves: open approvals go to the next one above", people: []string{"4302", "4303"},
			steps: []step{
				{0, []act{hr("4303"), hr("4302", in("Finance"), manager("4303"))}, []held{erp("4302", "active", "role/reader"), chat("4303", "active")}},
				{1, []act{asks("4302", "grant", "payments-creator", "4302"), hrEnds("4303", date(0), "resignation")}, []held{chat("4303", "disabled")}},
				{1, []act{decides("1002", "approve", "manager-only", "4302")}, []held{erp("4302", "active", "role/payments-creator")}}},
			evidence: []string{"4302 approval.reassigned directory", "4302 access.granted payments-creator approved"}},
		{name: "nobody decides in time: denied, and an exception", people: []string{"4304"},
			steps: []step{
				{0, []act{hr("4304", in("Finance"))}, []held{erp("4304", "active", "role/reader")}},
				{0, []act{asks("4304", "grant", "payments-creator", "4304")}, nil},
				{9, nil, []held{erp("4304", "active").without("role/payments-creator")}}},
			evidence: []string{"4304 approval.escalated", "4304 approval.expired timeout", "4304 exception.opened approval_expired", "4304 access.refused payments-creator approval_expired"}},
		{name: "the owner of a role leaves: an exception, and a task for the second in line", people: []string{"4230"},
			steps: []step{
				{0, []act{hr("4230")}, []held{chat("4230", "active")}},
				{1, []act{hrEnds("4230", date(0), "resignation"), decides("1001", "approve", "ownership", "4230")}, []held{chat("4230", "disabled")}}},
			evidence: []string{"4230 exception.opened archivist ownership", "4230 approval.granted"}},
	}
}

func records() []row {
	again := event.SourceRecord{ID: "hire-4401", Source: "hr", SourceKey: "W4401", RecordedAt: firstDay, Kind: event.Upsert, Person: profile("4401")}
	desk := &event.Profile{EmployeeNumber: "4403", Phone: "+420 111"}
	return []row{
		{name: "a record that comes again has no effect, and is seen to have none", people: []string{"4401"},
			steps: []step{
				{0, []act{func(s *stage) { s.produce(again) }}, []held{chat("4401", "active")}},
				{1, []act{func(s *stage) { s.produce(again) }}, []held{chat("4401", "active")}}},
			evidence: []string{"4401 identity.duplicate_ignored seen"}},
		{name: "a record that cannot be taken is a dead letter, and those after it flow", people: []string{"4402"},
			steps: []step{
				{0, []act{says("hr", "4402", event.Upsert, "yesterday", "", profile("4402")), hr("4402")}, []held{chat("4402", "active")}}},
			evidence: []string{"* exception.opened invalid"}},
		{name: "a record of nobody known waits, and is applied once somebody is", people: []string{"4403"},
			steps: []step{
				{0, []act{says("phonebook", "4403", event.Upsert, "", "", desk)}, []held{chat("4403", "absent")}},
				{1, []act{hr("4403")}, []held{chat("4403", "active")}}},
			evidence: []string{"* identity.quarantined phonebook", "4403 exception.resolved correlated"}},
		{name: "the moves of a reorganisation go behind everybody else", people: []string{"4404"},
			steps: []step{
				{0, []act{hr("4404")}, []held{chat("4404", "active", "group/engineering")}},
				{1, []act{says("hr", "4404", event.Upsert, "", "reorganisation", profile("4404", in("Sales")))}, []held{chat("4404", "active", "group/sales")}}},
			evidence: []string{"4404 access.desired_changed chat bulk"}},
	}
}

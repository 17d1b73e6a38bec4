package lifecycle

import (
	"fmt"
	"time"

	"joinery.internal/pkg/event"
)

// message is one sentence for people, without personal data.
func message(kind event.Kind, v view) string {
	s := v.spell()
	at := func(t time.Time) string { return t.In(s.zone).Format("2006-01-02 15:04 MST") }
	switch kind {
	case event.Hire, event.Rehire:
		return fmt.Sprintf("Employment begins %s.", at(s.start))
	case event.Started:
		return "The first day has begun."
	case event.HireRescinded:
		return "The hire was withdrawn."
	case event.TerminationScheduled:
		return fmt.Sprintf("Access ends %s.", at(s.end.at))
	case event.TerminationCorrected, event.ContractEndChanged:
		if s.end.at.IsZero() {
			return "Employment has no end any more."
		}
		return fmt.Sprintf("Access now ends %s.", at(s.end.at))
	case event.TerminationReversed:
		return "The end was taken back; employment goes on."
	case event.Termination, event.ContractEnded:
		return "Employment has ended."
	case event.EmergencyTermination:
		return "All access is cut off until two people lift it."
	case event.EmergencyLifted:
		if (v.lifted != origin{}) {
			return "Two people lifted the emergency."
		}
		return "The emergency is moot: there is no employment left that it holds."
	case event.LeaveStarted:
		return "Leave has begun."
	case event.LeaveEnded:
		return "Leave is over."
	case event.Conversion:
		return "The type of employment differs from now on."
	}
	return ""
}

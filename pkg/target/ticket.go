package target

import (
	"joinery.internal/pkg/config"
	"joinery.internal/pkg/connector"
)

// ticket turns the ticket section of a target file into what its connector takes.
func ticket(t *config.Ticket) *connector.Ticket {
	if t == nil {
		return nil
	}
	out := &connector.Ticket{ID: t.Item.ID.Text, State: t.Item.State.Text, Payload: t.Item.Payload.Text, Said: t.Item.Said.Text,
		Find: call(t.Calls.Find), Open: call(t.Calls.Open), Every: t.Every}
	if t.Calls.Cancel != nil {
		cancel := call(*t.Calls.Cancel)
		out.Cancel = &cancel
	}
	return out
}

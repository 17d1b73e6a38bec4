package ticket_test

import (
	"slices"
	"testing"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/ticket"
)

func queue(t *testing.T) connector.ByHand {
	t.Helper()
	q, err := ticket.Open(connector.Settings{Name: "keys", Connector: "ticket", Connection: map[string]string{"queue": "console"}})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestADriveOnPaperSaysWhatPeopleHaveToBeAskedForAndChangesNothingElse(t *testing.T) {
	t.Parallel()
	q := queue(t)
	have := connector.Object{Ref: connector.Ref{Account: "ana", RemoteID: "ana"}, Enabled: true, Attributes: map[string]string{"desk": "4"}, Entitlements: []string{"key/garage"}}
	for _, row := range []struct {
		have  *connector.Object
		want  connector.Desired
		steps []connector.Verb
	}{
		{nil, connector.Desired{Account: "ana", State: connector.Active, Attributes: map[string]string{"desk": "4", "floor": ""}, Entitlements: []string{"key/garage", "key/front"}, ManagedKinds: []string{"key"}},
			[]connector.Verb{connector.Create, connector.Grant, connector.Grant}},
		{&have, connector.Desired{Account: "ana", State: connector.Active, Attributes: map[string]string{"desk": "4"}, Entitlements: []string{"key/garage"}, ManagedKinds: []string{"key"}}, nil},
		{&have, connector.Desired{Account: "ana", State: connector.Disabled, Attributes: map[string]string{"desk": ""}, ManagedKinds: []string{"key"}},
			[]connector.Verb{connector.Disable, connector.Revoke, connector.Update}},
		{&have, connector.Desired{Account: "anna", State: connector.Absent}, []connector.Verb{connector.Delete}},
		{nil, connector.Desired{Account: "ana", State: connector.Absent}, nil},
	} {
		before := ""
		if row.have != nil {
			before = row.have.Account + row.have.Attributes["desk"]
		}
		out, err := connector.Drive(t.Context(), q.OnPaper(row.have), "k", row.want)
		if err != nil {
			t.Fatalf("%+v: %v", row.want, err)
		}
		var steps []connector.Verb
		for _, op := range out.Changes {
			steps = append(steps, op.Verb)
		}
		if !slices.Equal(steps, row.steps) {
			t.Errorf("%+v: asks for %v, want %v", row.want, steps, row.steps)
		}
		if row.have != nil && (before != row.have.Account+row.have.Attributes["desk"] || !row.have.Enabled || len(row.have.Entitlements) != 1) {
			t.Errorf("what is there was changed: %+v", row.have)
		}
	}
}

func TestWhatTheQueueCannotDoIsRefused(t *testing.T) {
	t.Parallel()
	q := queue(t)
	if _, err := q.Apply(t.Context(), connector.Op{Verb: connector.Create}); connector.ClassOf(err) != connector.Unsupported {
		t.Errorf("a change without paper: %v", err)
	}
	for _, s := range []connector.Settings{
		{Connection: map[string]string{"queue": "basement"}},
		{Connection: map[string]string{"queue": "console", "url": "https://itsm.example"}},
		{Connection: map[string]string{"queue": "console"}, Ticket: &connector.Ticket{}},
	} {
		if _, err := ticket.Open(s); connector.ClassOf(err) != connector.Invalid {
			t.Errorf("%+v: %v, want invalid", s, err)
		}
	}
}

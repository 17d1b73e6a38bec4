package drift_test

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"joinery.internal/pkg/event"
	"joinery.internal/pkg/pack"
	"joinery.internal/services/reconciler/internal/drift"
)

func TestARowReadsAsItWasWritten(t *testing.T) {
	t.Parallel()
	text, moment := rapid.String(), rapid.Custom(func(t *rapid.T) time.Time { return time.Unix(0, rapid.Int64Range(1, 1<<61).Draw(t, "ns")).UTC() })
	some := rapid.SliceOfN(text, 1, 3)
	rapid.Check(t, func(r *rapid.T) {
		row := drift.Row{Applied: rapid.Int64().Draw(r, "applied"), Refused: rapid.Int64().Draw(r, "refused"), Account: text.Draw(r, "account"), RemoteID: text.Draw(r, "remote"),
			State: event.AccountState(text.Draw(r, "state")), Busy: rapid.Bool().Draw(r, "busy")}
		if rapid.Bool().Draw(r, "touched") {
			row.Touched = moment.Draw(r, "at")
		}
		if rapid.Bool().Draw(r, "drifted") {
			row.Open = []drift.Open{{Class: drift.Missing, Action: drift.Repair, ExceptionID: "ex-1", Event: "drift-1", At: moment.Draw(r, "since"), Items: []string{"group/staff"}}}
		}
		if rapid.Bool().Draw(r, "wanted") {
			row.Want = &drift.Want{IdentityID: event.IdentityID(text.Draw(r, "id")), Target: text.Draw(r, "target"), Version: rapid.Int64().Draw(r, "version"),
				State: event.AccountActive, AccountName: text.Draw(r, "name"), Attributes: rapid.MapOfN(text, text, 1, 3).Draw(r, "attributes"),
				Entitlements: some.Draw(r, "entitlements"), Kinds: some.Draw(r, "kinds"), Policy: text.Draw(r, "policy")}
		}
		b, err := row.AppendBinary(nil)
		if err != nil {
			r.Fatal(err)
		}
		var got drift.Row
		if err := got.UnmarshalBinary(b); err != nil || !reflect.DeepEqual(got, row) {
			r.Fatalf("%+v reads %+v: %v", row, got, err)
		}
		if err := got.UnmarshalBinary(b[:len(b)-1]); !errors.Is(err, pack.ErrUnreadable) {
			r.Fatalf("half of it reads: %v", err)
		}
	})
}

func TestARowOfAnotherVersionIsRefused(t *testing.T) {
	t.Parallel()
	var r drift.Row
	if err := r.UnmarshalBinary([]byte(`{"w":null}`)); err == nil {
		t.Error("it was read")
	}
}

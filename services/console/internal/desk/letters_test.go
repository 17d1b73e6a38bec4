package desk_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"joinery.internal/pkg/event"
	"joinery.internal/services/console/internal/desk"
	"joinery.internal/services/console/internal/desk/desktest"
)

// letter is a dead letter in the evidence, whole.
func letter(t *testing.T, w *desktest.World, id string, topic event.Topic, value []byte) desk.DeadLetter {
	t.Helper()
	raw, err := w.Desk.Codec.Encode(string(event.DeadLetters), &event.DeadLetter{Meta: event.Meta{EventID: event.EventID("e-" + id), Kind: event.ExceptionOpened, OccurredAt: desktest.Start},
		Service: "ingest", Topic: string(topic), Partition: 1, Offset: 7, Key: []byte("hr/" + id), Value: value, Headers: map[string][]byte{"ce_id": []byte("r-1")}})
	if err != nil {
		t.Fatal(err)
	}
	return desk.DeadLetter{ID: id, Class: "decode", Service: "ingest", Topic: string(topic), Raw: raw, OpenedAt: desktest.Start}
}

func newLetters(t *testing.T) *desktest.World {
	t.Helper()
	w := desktest.New(t)
	w.Archive.Letters = []desk.DeadLetter{
		letter(t, w, "dl-1", event.SourceRecords, []byte(`{"source":"hr"}`)),
		letter(t, w, "dl-2", event.SourceRecords, []byte("{not Avro")),
		letter(t, w, "dl-3", event.IdentityEvents, []byte("junk")),
		{ID: "dl-4", Class: "invalid", Service: "provisioner", Topic: string(event.AccessDesired), IdentityID: "id-ana", Target: "chat", OpenedAt: desktest.Start},
		{ID: "dl-5", Class: "invalid", Service: "provisioner", Topic: string(event.AccessDesired), IdentityID: "id-cyn", Target: "chat", OpenedAt: desktest.Start},
	}
	for version := range int64(2) {
		value, err := w.Desk.Codec.Encode(string(event.AccessDesired), &event.Desired{IdentityID: "id-ana", Target: "chat", Version: version + 1})
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Journal.Append(t.Context(), desk.Outgoing{Topic: event.AccessDesired, Key: "id-ana|chat", Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

func TestADeadLetterIsShownAsPeopleCanReadIt(t *testing.T) {
	t.Parallel()
	w := newLetters(t)
	for id, want := range map[string]struct{ remedy, decoded string }{"dl-1": {"record", `{"source":"hr"}`}, "dl-2": {"record", ""}, "dl-3": {"none", ""}, "dl-4": {"account", ""}} {
		got, err := w.Desk.DeadLetter(t.Context(), id)
		if err != nil || got.Remedy != want.remedy || string(got.Decoded) != want.decoded {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
		if id == "dl-2" && (string(got.Value) != "{not Avro" || got.Key != "hr/dl-2" || got.Headers["ce_id"] != "r-1") {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

func TestSeveralLettersAreReplayedAtOnceAndWhatCannotBeIsNamed(t *testing.T) {
	t.Parallel()
	w := newLetters(t)
	all := desk.BulkRemedy{LetterChoice: desk.LetterChoice{IDs: []string{"dl-1", "dl-2", "dl-3", "dl-4", "dl-5", "dl-1"}}, Reason: "mended"}
	all.DryRun = true
	dry, err := w.Desk.RemedyLetters(t.Context(), all, boss)
	if err != nil || dry.Count != 3 || len(desktest.Written[event.ReplayCommand](t, w, event.ReplayCommands)) != 0 {
		t.Fatalf("dry run: %+v, %v", dry, err)
	}
	all.DryRun = false
	got, err := w.Desk.RemedyLetters(t.Context(), all, boss)
	if err != nil || got.Count != 3 || len(got.Failures) != 2 || !strings.HasPrefix(got.Failures[0], "dl-3: ") || !strings.HasPrefix(got.Failures[1], "dl-5: ") {
		t.Fatalf("%+v, %v", got, err)
	}
	var said []string
	for _, c := range desktest.Written[event.ReplayCommand](t, w, event.ReplayCommands) {
		said = append(said, strings.TrimSpace(fmt.Sprint(c.Kind, " ", c.ExceptionID)))
		if c.ID != got.ID || c.Actor != "id-boss" || c.Reason != "mended" {
			t.Errorf("said: %+v", c)
		}
	}
	if strings.Join(said, ", ") != "start, resolve dl-1, resolve dl-2, finish" { // the provisioner says itself when dl-4 is over
		t.Errorf("said: %v", said)
	}
	records, err := w.Journal.Last(t.Context(), event.SourceRecords, 10)
	if err != nil || len(records) != 2 || records[0].Partition != 1 || records[0].Key != "hr/dl-1" {
		t.Errorf("written: %+v, %v", records, err)
	}
	levels := desktest.Written[event.Desired](t, w, event.AccessDesired)
	if last := levels[len(levels)-1]; len(levels) != 3 || last.Version != 2 {
		t.Errorf("levels: %+v", levels)
	}
}

func TestLettersAreChosenByWhatTheyAre(t *testing.T) {
	t.Parallel()
	w := newLetters(t)
	for where, count := range map[string]int{
		`record != null && record.source == "hr"`:                  1,
		`letter.target == "chat"`:                                  2,
		`key.startsWith("hr/") && letter.topic.contains("source")`: 2,
		`record.no.such == 1`:                                      0,
	} {
		got, err := w.Desk.RemedyLetters(t.Context(), desk.BulkRemedy{LetterChoice: desk.LetterChoice{Where: where}, Discard: true, Reason: "x", DryRun: true}, boss)
		if err != nil || got.Count != count {
			t.Errorf("%s: %+v, %v; want %d", where, got, err, count)
		}
	}
	got, err := w.Desk.RemedyLetters(t.Context(), desk.BulkRemedy{LetterChoice: desk.LetterChoice{Where: `letter.target == "chat"`}, Discard: true, Reason: "gone"}, boss)
	said := desktest.Written[event.ReplayCommand](t, w, event.ReplayCommands)
	if err != nil || got.Count != 2 || len(said) != 2 || said[0].Kind != event.ReplayResolve || said[0].Resolution != "person" || !strings.Contains(said[0].Filter, "where letter.target") {
		t.Errorf("discarded: %+v, %v, %+v", got, err, said)
	}
}

func TestABulkRemedyThatIsNotUnderstoodDoesNothing(t *testing.T) {
	t.Parallel()
	w := newLetters(t)
	for name, c := range map[string]struct {
		r    desk.BulkRemedy
		who  desk.Actor
		kind desk.FaultKind
	}{
		"nobody":     {desk.BulkRemedy{LetterChoice: desk.LetterChoice{Class: "decode"}, Reason: "x"}, desk.Actor{}, desk.Forbidden},
		"no reason":  {desk.BulkRemedy{LetterChoice: desk.LetterChoice{Class: "decode"}}, boss, desk.Invalid},
		"no choice":  {desk.BulkRemedy{Reason: "x"}, boss, desk.Invalid},
		"both":       {desk.BulkRemedy{LetterChoice: desk.LetterChoice{IDs: []string{"dl-1"}, Class: "decode"}, Reason: "x"}, boss, desk.Invalid},
		"bad filter": {desk.BulkRemedy{LetterChoice: desk.LetterChoice{Where: "letter.id ="}, Reason: "x"}, boss, desk.Invalid},
		"no bool":    {desk.BulkRemedy{LetterChoice: desk.LetterChoice{Where: "key"}, Reason: "x"}, boss, desk.Invalid},
		"not there":  {desk.BulkRemedy{LetterChoice: desk.LetterChoice{IDs: []string{"dl-1", "dl-9"}}, Reason: "x"}, boss, desk.NotFound},
	} {
		var f *desk.Fault
		if _, err := w.Desk.RemedyLetters(t.Context(), c.r, c.who); !errors.As(err, &f) || f.Kind != c.kind {
			t.Errorf("%s: %v, want %s", name, err, c.kind)
		}
	}
	if said := desktest.Written[event.ReplayCommand](t, w, event.ReplayCommands); len(said) != 0 {
		t.Errorf("said: %+v", said)
	}
}

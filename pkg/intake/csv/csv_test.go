package csv

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/event"
	"joinery.internal/pkg/intake"
	"joinery.internal/pkg/intake/intaketest"
)

const sources = `
apiVersion: joinery/v1
kind: Source
metadata: {name: agency}
spec:
  authority: employment
  intake: {csv: {directory: /drop, mode: snapshot}}
  map:
    source_key: record.id
    person: {given_name: record.name, department: 'record["dept name"]', start_date: 'date(record.since, "DD.MM.YYYY")'}
`

// drops is a folder, and the world its reader lives in.
type drops struct {
	*intaketest.World
	t   *testing.T
	c   config.CSVIntake
	src intake.Source
	now time.Time // of the files dropped
}

func newDrops(t *testing.T, c config.CSVIntake) *drops {
	t.Helper()
	c.Directory = t.TempDir()
	w := intaketest.New(t)
	m, err := intake.NewMapper(intaketest.Bundle(t, sources), "agency")
	if err != nil {
		t.Fatal(err)
	}
	return &drops{World: w, t: t, c: c, now: time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC),
		src: intake.Source{Mapper: m, Stream: w.Options, Meter: intake.NewMeter(nil, "agency", 0), Log: slog.New(slog.DiscardHandler)}}
}

// drop puts a file there that is complete, an hour younger than the last.
func (d *drops) drop(name, content string) {
	d.t.Helper()
	d.now = d.now.Add(time.Hour)
	path := filepath.Join(d.c.Directory, name)
	d.write(path, content)
	if err := os.Chtimes(path, d.now, d.now); err != nil {
		d.t.Fatal(err)
	}
}

func (d *drops) write(path, content string) {
	d.t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// open starts a reader, as a new process would.
func (d *drops) open() *reader {
	d.t.Helper()
	r, err := open(d.t.Context(), d.src, d.c, Columns{"given_name": "name", "start_date": "since"})
	if err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(r.close)
	return r
}

// scan looks twice, so that what has not changed is complete.
func (d *drops) scan(r *reader) {
	d.t.Helper()
	for range 2 {
		if err := r.scan(d.t.Context()); err != nil {
			d.t.Fatal(err)
		}
	}
}

// said is what came out, as `kind key`, in order of coming.
func (d *drops) said(n int) []string {
	d.t.Helper()
	got := d.Records(n)
	slices.SortStableFunc(got, func(a, b event.SourceRecord) int { return a.RecordedAt.Compare(b.RecordedAt) })
	return intaketest.Keys(got)
}

func (d *drops) files() string {
	d.t.Helper()
	var names []string
	err := filepath.Walk(d.c.Directory, func(path string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			name, _ := filepath.Rel(d.c.Directory, path)
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return strings.Join(names, " ")
}

func (d *drops) expect(want string) {
	d.t.Helper()
	if got := d.files(); got != want {
		d.t.Errorf("files: %s\nwant:  %s", got, want)
	}
}

const head = "id,name,dept name,since\n"

var snapshot = config.CSVIntake{Mode: "snapshot", Manifest: "optional"}

func TestASnapshotSaysWhoIsNewWhoChangedAndWhoIsMissing(t *testing.T) {
	t.Parallel()
	d := newDrops(t, snapshot)
	r := d.open()
	d.drop("hr.csv", "\xef\xbb\xbf"+head+"1,Ann,Finance,02.03.2026\n2,Bob,Sales,\n")
	d.scan(r)
	first := d.Records(2)
	if p := first[0].Person; !slices.Equal(intaketest.Keys(first), []string{"upsert 1", "upsert 2"}) || p == nil {
		t.Fatalf("%+v", first)
	}
	for _, got := range first {
		if got.SourceKey == "1" && (got.Person.StartDate != "2026-03-02" || got.Person.Department != "Finance" || !got.RecordedAt.Equal(d.now)) {
			t.Errorf("%+v %+v", got, got.Person)
		}
	}
	d.drop("hr.csv", head+"2,Bob,Sales,\n1,Ann,Sales,02.03.2026\n")
	d.scan(r)
	d.drop("hr.csv", head+"2,Bob,Sales,\n")
	d.scan(d.open()) // what was said is remembered elsewhere
	d.drop("hr.csv", head+"2,Bob,Sales,\n")
	d.scan(d.open())
	d.drop("hr.csv", head+"1,Ann,Sales,02.03.2026\n2,Bob,Sales,\n")
	d.scan(d.open())
	if got := d.said(5); !slices.Equal(got, []string{"absent 1", "upsert 1", "upsert 1", "upsert 1", "upsert 2"}) {
		t.Errorf("%v", got)
	}
	d.expect("done/000001-hr.csv done/000002-hr.csv done/000003-hr.csv done/000004-hr.csv done/000005-hr.csv")
}

func TestASnapshotThatGoesBackToAnEarlierOneIsNoDuplicateOfIt(t *testing.T) {
	t.Parallel()
	d := newDrops(t, snapshot)
	r := d.open()
	for _, dept := range []string{"Finance", "Sales", "Finance"} {
		d.drop("hr.csv", head+"1,Ann,"+dept+",\n")
		d.scan(r)
	}
	ids, last := map[string]bool{}, int64(0)
	for _, got := range d.Records(3) {
		ids[got.ID] = true
		if *got.Sequence <= last {
			t.Errorf("the sequence does not grow: %+v", got)
		}
		last = *got.Sequence
	}
	if len(ids) != 3 {
		t.Errorf("ids: %v", ids)
	}
}

func TestABadRowIsRejectedWithLineColumnAndReasonAndNobodyIsMissingForIt(t *testing.T) {
	t.Parallel()
	d := newDrops(t, snapshot)
	r := d.open()
	d.drop("1.csv", head+"1,Ann,Finance,\n2,Bob,Sales,\n3,Cyd,Sales,\n")
	d.scan(r)
	d.drop("2.csv", head+"1,Ann,Finance,soon\n2,Bob,Sales\n1,Ann,Legal,\n1,Ann,Legal,\n,Dan,Legal,\n")
	d.scan(r)
	if got := d.said(4); !slices.Equal(got, []string{"upsert 1", "upsert 1", "upsert 2", "upsert 3"}) {
		t.Errorf("%v", got)
	}
	d.expect("done/000001-1.csv done/000002-2.csv done/000002-2.csv.rejects.csv")
	b, err := os.ReadFile(filepath.Join(d.c.Directory, "done/000002-2.csv.rejects.csv"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"line,column,reason\n", "2,4,\"map record of source agency", "3,,\"the row has 3 columns, the header 4\"", "5,,the worker is in line 4 already", "6,"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("%q is not in\n%s", want, b)
		}
	}
	rejects := d.Rejects(4)
	if len(rejects) != 4 || !slices.ContainsFunc(rejects, func(r event.Reject) bool {
		return r.Place == "2.csv:3" && string(r.Value) == "2,Bob,Sales" && r.Class == intake.Decode
	}) {
		t.Errorf("%+v", rejects)
	}
}

func TestWhatIsNoFileOfWorkersIsRefusedWholeWithTheReason(t *testing.T) {
	t.Parallel()
	d := newDrops(t, snapshot)
	r := d.open()
	d.drop("0.csv", head+"1,Ann,Finance,\n")
	d.scan(r)
	for name, c := range map[string]struct{ content, says string }{
		"a-empty.csv":     {"", "must have a header"},
		"b-nobody.csv":    {head, "everybody would be missing"},
		"c-utf16.csv":     {"\xff\xfei\x00d\x00", "UTF-16"},
		"d-latin.csv":     {head + "1,Ann,Finance,\n2,Ren\xe9,Sales,\n", "line 3 is not UTF-8"},
		"e-quote.csv":     {head + "1,\"Ann,Finance,\n2,Bob,Sales,\n", "line 3, column"},
		"f-twice.csv":     {"id,id\n1,2\n", "name of an earlier one"},
		"g-nameless.csv":  {"id,\n1,2\n", "has no name"},
		"h-binary.csv":    {head + "1,\x00,Finance,\n", "zero byte"},
		"i-strange.csv":   {"key;label\n1;Ann\n", "no row of the file is a worker"},
		"j-truncated.csv": {"id,na", "everybody would be missing"},
	} {
		d.drop(name, c.content)
		d.scan(r)
		b, err := os.ReadFile(filepath.Join(d.c.Directory, "refused", name+".reason.txt"))
		if err != nil || !strings.Contains(string(b), c.says) {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if _, err := os.Stat(filepath.Join(d.c.Directory, "refused", name)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := len(d.Rejects(10)); n != 10 {
		t.Errorf("%d dead letters", n)
	}
	if got := d.said(1); !slices.Equal(got, []string{"upsert 1"}) {
		t.Errorf("%v", got)
	}
}

func TestAnOlderSnapshotDoesNotUndoANewerOne(t *testing.T) {
	t.Parallel()
	d := newDrops(t, snapshot)
	r := d.open()
	d.drop("2.csv", head+"1,Ann,Sales,\n")
	d.scan(r)
	d.now = d.now.AddDate(0, 0, -1)
	d.drop("1.csv", head+"1,Ann,Finance,\n")
	d.scan(r)
	d.expect("done/000001-2.csv refused/1.csv refused/1.csv.reason.txt")
}

func TestAFileIsNotReadBeforeItsWriterIsDone(t *testing.T) {
	t.Parallel()
	c := snapshot
	d := newDrops(t, c)
	r := d.open()
	for i := range 3 { // growing
		d.drop("hr.csv", head+strings.Repeat("1,Ann,Finance,\n", i+1))
		if err := r.scan(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	d.drop("other.csv.tmp", head)
	d.expect("hr.csv other.csv.tmp")
}

func TestWithAManifestRowsAndHashMustBeAsItSays(t *testing.T) {
	t.Parallel()
	c := snapshot
	c.Manifest = "required"
	d := newDrops(t, c)
	r := d.open()
	content := head + "1,Ann,Finance,\n2,Bob,Sales,\n"
	manifest := func(rows int, sum string) string {
		return fmt.Sprintf(`{"rows": %d, "sha256": %q, "at": "2026-03-01T00:00:00Z"}`, rows, sum)
	}
	d.drop("1.csv", content)
	d.scan(r)
	d.expect("1.csv")
	for _, m := range []string{manifest(3, sumOf([]byte(content))), manifest(2, sumOf([]byte("x"))), `{"rows": 2}`, `{"rows":`} {
		d.write(filepath.Join(d.c.Directory, "1.csv.manifest"), m)
		d.scan(r)
		d.drop("1.csv", content)
	}
	d.write(filepath.Join(d.c.Directory, "1.csv.manifest"), manifest(2, strings.ToUpper(sumOf([]byte(content)))))
	d.scan(r)
	if got := d.Records(2); len(got) != 2 || !got[0].RecordedAt.Equal(time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("%+v", got)
	}
	d.expect("done/000001-1.csv done/000001-1.csv.manifest refused/1-2.csv refused/1-2.csv.manifest refused/1-2.csv.reason.txt refused/1-3.csv refused/1-3.csv.manifest refused/1-3.csv.reason.txt " +
		"refused/1-4.csv refused/1-4.csv.manifest refused/1-4.csv.reason.txt refused/1.csv refused/1.csv.manifest refused/1.csv.reason.txt")
}

func TestADeltaReportsEveryRowAndMissesNobody(t *testing.T) {
	t.Parallel()
	d := newDrops(t, config.CSVIntake{Mode: "delta", Manifest: "optional"})
	r := d.open()
	d.drop("1.csv", head+"1,Ann,Finance,\n1,Ann,Sales,\n")
	d.scan(r)
	d.drop("2.csv", head+"1,Ann,Sales,\n2,Bob,Sales,\n")
	d.scan(r)
	if got := d.said(4); !slices.Equal(got, []string{"upsert 1", "upsert 1", "upsert 1", "upsert 2"}) {
		t.Errorf("%v", got)
	}
}

func TestColumnsAreThoseThatTheMapLooksAt(t *testing.T) {
	t.Parallel()
	s, _ := intaketest.Bundle(t, sources).Source("agency")
	if got, want := ColumnsOf(s.Map), (Columns{"source_key": "id", "given_name": "name", "department": "dept name", "start_date": "since"}); !reflect.DeepEqual(got, want) {
		t.Errorf("%v", got)
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{head + "1,Ann,Finance,02.03.2026\n", "a;b\n\"1\";2\n", "\xef\xbb\xbfa\tb\r\n1\t2\r\n", "a,b\n\"1", "a\n\x00", "\xff\xfea"} {
		f.Add([]byte(seed))
	}
	m, err := intake.NewMapper(intaketest.Bundle(f, sources), "agency")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		table, err := parse(data)
		if err != nil {
			if _, ok := errors.AsType[*intake.Fault](err); !ok {
				t.Fatalf("no fault: %v", err)
			}
			return
		}
		d := &drop{sum: sumOf(data)}
		d.read(table, m, Columns{}, true)
		if len(d.good)+len(d.bad) != len(table.rows) {
			t.Fatalf("%d good, %d bad, of %d rows", len(d.good), len(d.bad), len(table.rows))
		}
	})
}

package evidence_test

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"joinery.internal/pkg/evidence"
	"joinery.internal/pkg/stream"
)

// chain is n rows of one writer as the runtime stamps them.
func chain(service string, n int) []evidence.Row {
	var out []evidence.Row
	var prev []byte
	for i := range n {
		r := evidence.Row{SrcTopic: "jml.access.event.v1", Service: service, Seq: uint64(i + 1), SrcKey: "p-1", Raw: strings.Repeat("x", i), PrevHash: hex.EncodeToString(prev)}
		prev = stream.LinkHash(prev, r.Seq, []byte(r.SrcKey), []byte(r.Raw))
		r.Hash = hex.EncodeToString(prev)
		out = append(out, r)
	}
	return out
}

func TestTheAuditorNamesTheFirstRowThatIsNotAsItWasWritten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func([]evidence.Row) []evidence.Row
		seq    uint64
		says   string
	}{
		"nothing":       {func(r []evidence.Row) []evidence.Row { return r }, 0, ""},
		"a row is gone": {func(r []evidence.Row) []evidence.Row { return slices.Delete(r, 3, 4) }, 5, "rows from seq 4 to 4 lack"},
		"the first is":  {func(r []evidence.Row) []evidence.Row { return r[1:] }, 2, "rows from seq 1 to 1 lack"},
		"bytes altered": {func(r []evidence.Row) []evidence.Row { r[2].Raw = "other"; return r }, 3, "not those that its hash was made of"},
		"key altered":   {func(r []evidence.Row) []evidence.Row { r[2].SrcKey = "p-2"; return r }, 3, "not those"},
		"a row forged": {func(r []evidence.Row) []evidence.Row {
			return slices.Insert(r, 2, evidence.Row{SrcTopic: r[0].SrcTopic, Service: r[0].Service, Seq: 2})
		}, 2, "there twice"},
		"rewritten from there": {func(r []evidence.Row) []evidence.Row {
			r[2].Raw = "other"
			r[2].Hash = hex.EncodeToString(stream.LinkHash(must(hex.DecodeString(r[2].PrevHash)), r[2].Seq, []byte(r[2].SrcKey), []byte("other")))
			return r
		}, 4, "does not follow"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var auditor evidence.Auditor
			for _, r := range append(c.damage(chain("policy-resolver", 6)), chain("provisioner", 3)...) {
				if fault := auditor.Next(r); fault != "" {
					if c.says == "" || r.Seq != c.seq || !strings.Contains(fault, c.says) {
						t.Errorf("seq %d: %s; want seq %d, %q", r.Seq, fault, c.seq, c.says)
					}
					return
				}
			}
			if c.says != "" || auditor.Chains != 2 || auditor.Rows != 9 {
				t.Errorf("%d rows in %d chains, and nothing found", auditor.Rows, auditor.Chains)
			}
		})
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

package webhook

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"joinery.internal/pkg/intake/gate"
)

func FuzzPush(f *testing.F) {
	f.Add("msg_1", "1772438400", "v1,AAAA v1,", `{"a":[1,{"b":null}]}`)
	f.Add("", "-1", "v2,x", "[]")
	f.Add("a b", "9999999999999999999", " , ", "\xff")
	now := time.Unix(1772438400, 0)
	keys := [][]byte{[]byte("0123456789abcdef01234567")}
	f.Fuzz(func(t *testing.T, id, timestamp, signatures, body string) {
		h := http.Header{}
		h.Set("webhook-id", id)
		h.Set("webhook-timestamp", timestamp)
		h.Set("webhook-signature", signatures)
		if e, err := readEnvelope(h, now); err == nil && e.verify(keys, []byte(body)) {
			t.Errorf("a signature was guessed: %q", signatures)
		}
		_, _, err := read([]byte(body))
		if refused := (*gate.Refusal)(nil); err != nil && !errors.As(err, &refused) {
			t.Errorf("not a refusal: %v", err)
		}
	})
}

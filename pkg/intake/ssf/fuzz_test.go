package ssf

import (
	"errors"
	"testing"
	"time"

	"joinery.internal/pkg/config"
	"joinery.internal/pkg/intake/gate"
)

func FuzzToken(f *testing.F) {
	f.Add("eyJhbGciOiJFUzI1NiIsInR5cCI6InNlY2V2ZW50K2p3dCJ9.e30.AAAA")
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Add("..")
	f.Fuzz(func(t *testing.T, body string) {
		_, err := parse([]byte(body))
		if refused := (*gate.Refusal)(nil); err != nil && !errors.As(err, &refused) {
			t.Errorf("not a refusal: %v", err)
		}
	})
}

func FuzzClaims(f *testing.F) {
	f.Add(`{"iss":"i","aud":["a"],"jti":"1","iat":1772438400,"sub_id":{"format":"email","email":"a@acme.example"},"events":{"https://schemas.openid.net/secevent/risc/event-type/account-disabled":{"reason":"hijacking"}}}`)
	f.Add(`{"iss":"i","aud":"a","jti":"1","iat":1772438400,"events":{"urn:ietf:params:SCIM:event:prov:create:full":{"subject":{"identifiers":[{"user":{"sub":"1"}}]},"data":[]}}}`)
	f.Add(`{"iss":"i","aud":"a","jti":"1","iat":1e300,"events":null}`)
	now := time.Unix(1772438400, 0)
	f.Fuzz(func(t *testing.T, payload string) {
		got, err := check([]byte(payload), "i", "a", now)
		if err != nil {
			return
		}
		for eventType, v := range got.events {
			details, _ := v.(map[string]any)
			kind := kindOf(nameOf(eventType), details, config.AuthoritySignal)
			recordOf(got, eventType, details, kind)
		}
	})
}

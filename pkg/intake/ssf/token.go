package ssf

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"joinery.internal/pkg/intake/gate"
)

// What a token may be signed with: asymmetric keys only, so that nobody who can check a token can make one.
var algorithms = []jose.SignatureAlgorithm{jose.RS256, jose.RS384, jose.RS512, jose.PS256, jose.PS384, jose.PS512,
	jose.ES256, jose.ES384, jose.ES512, jose.EdDSA}

const (
	tokenType = "secevent+jwt"
	skew      = 5 * time.Minute // how far the issuer's clock may be ahead
	maxAge    = 7 * 24 * time.Hour
	maxText   = 1024 // bytes of jti
	maxEvents = 8
)

// Codes of RFC 8935.
const (
	invalidRequest       = "invalid_request"
	invalidKey           = "invalid_key"
	invalidIssuer        = "invalid_issuer"
	invalidAudience      = "invalid_audience"
	authenticationFailed = "authentication_failed"
)

func refuse(code, detail string, args ...any) *gate.Refusal {
	return gate.Refuse(http.StatusBadRequest, code, detail, args...)
}

// token is what a SET says, checked.
type token struct {
	id      string
	issued  time.Time
	subject any            // sub_id
	events  map[string]any // by type
	claims  map[string]any
}

// signed is a SET as it came: nothing of it can be believed yet.
type signed struct {
	jws *jose.JSONWebSignature
	kid string
}

// parse reads a compact SET.
func parse(body []byte) (signed, error) {
	jws, err := jose.ParseSignedCompact(strings.TrimSpace(string(body)), algorithms)
	if err != nil || len(jws.Signatures) != 1 {
		return signed{}, refuse(invalidRequest, "the body is no compact JWS with an asymmetric signature").Because(err)
	}
	header := jws.Signatures[0].Protected
	typ, _ := header.ExtraHeaders[jose.HeaderType].(string)
	if strings.TrimPrefix(strings.ToLower(typ), "application/") != tokenType {
		return signed{}, refuse(invalidRequest, "the typ of the token is not %s", tokenType)
	}
	return signed{jws, header.KeyID}, nil
}

// verify checks the signature by one of the issuer's keys and returns the claims.
func (s signed) verify(ctx context.Context, ring *keyring) ([]byte, error) {
	keys, err := ring.find(ctx, s.kid)
	if err != nil {
		return nil, err
	}
	alg := s.jws.Signatures[0].Protected.Algorithm
	for _, key := range keys {
		if key.Algorithm != "" && key.Algorithm != alg {
			continue
		}
		if payload, err := s.jws.Verify(key.Key); err == nil {
			return payload, nil
		}
	}
	return nil, refuse(invalidKey, "the signature is by no key of the issuer")
}

// check reads the claims and demands what a SET for this source must say.
func check(payload []byte, issuer, audience string, now time.Time) (token, error) {
	value, err := gate.Decode(payload)
	if err != nil {
		return token{}, refuse(invalidRequest, "the claims are not JSON that is taken: %s", gate.RefusalOf(err).Detail)
	}
	claims, ok := value.(map[string]any)
	if !ok {
		return token{}, refuse(invalidRequest, "the claims are no object")
	}
	t := token{claims: claims, subject: claims["sub_id"]}
	t.id, _ = claims["jti"].(string)
	t.events, _ = claims["events"].(map[string]any)
	issued, hasTime := moment(claims["iat"])
	expires, expiring := moment(claims["exp"])
	t.issued = issued
	switch {
	case claims["iss"] != issuer:
		return token{}, refuse(invalidIssuer, "iss is not the issuer of this source")
	case !slices.Contains(texts(claims["aud"]), audience):
		return token{}, refuse(invalidAudience, "aud does not name this receiver")
	case t.id == "" || len(t.id) > maxText:
		return token{}, refuse(invalidRequest, "jti is missing or longer than %d bytes", maxText)
	case !hasTime:
		return token{}, refuse(invalidRequest, "iat is missing or no number of seconds since 1970")
	case issued.After(now.Add(skew)):
		return token{}, refuse(invalidRequest, "iat is more than %s ahead: a clock is wrong", skew)
	case issued.Before(now.Add(-maxAge)):
		return token{}, refuse(invalidRequest, "iat is more than %s ago", maxAge)
	case expiring && expires.Before(now):
		return token{}, refuse(invalidRequest, "the token has expired")
	case len(t.events) == 0 || len(t.events) > maxEvents:
		return token{}, refuse(invalidRequest, "events must have one to %d events", maxEvents)
	}
	return t, nil
}

// moment reads a NumericDate; fractions are cut off.
func moment(v any) (time.Time, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return time.Time{}, false
	}
	f, err := n.Float64()
	if err != nil || f < 0 || f > 1<<40 {
		return time.Time{}, false
	}
	return time.Unix(int64(f), 0).UTC(), true
}

// texts reads a text or a list of texts.
func texts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var out []string
	for _, item := range list {
		if s, ok := item.(string); ok {
			out = append(out, s)
		}
	}
	return out
}

package gate

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"joinery.internal/pkg/config"
)

// Secrets reads the secrets of a reference, one a line: while one is exchanged for another, both are valid. They are read
// again on every call.
func Secrets(s config.Secret) ([]string, error) {
	text, err := s.Resolve()
	if err != nil {
		return nil, Unavailable("the secret of this source cannot be read", err)
	}
	return strings.Fields(text), nil
}

// Bearer refuses a request that does not carry one of the tokens (RFC 6750). How long it takes tells nothing about them.
func Bearer(r *http.Request, s config.Secret) error {
	tokens, err := Secrets(s)
	if err != nil {
		return err
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	sum, valid := sha256.Sum256([]byte(given)), 0
	for _, token := range tokens {
		want := sha256.Sum256([]byte(token))
		valid |= subtle.ConstantTimeCompare(sum[:], want[:])
	}
	if valid == 0 || !strings.EqualFold(scheme, "Bearer") {
		return Refuse(http.StatusUnauthorized, "token", "the bearer token is missing or not the one of this source")
	}
	return nil
}

package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"joinery.internal/pkg/intake/gate"
)

const (
	window    = 5 * time.Minute // how far a sender's clock, and a push on its way, may be off
	maxID     = 256             // bytes
	maxHeader = 4096            // bytes of signatures: some dozens
	minKey    = 24              // bytes, as the specification says
	prefix    = "whsec_"
)

// envelope is what the headers say of a push.
type envelope struct {
	id         string
	timestamp  string
	sentAt     time.Time
	signatures string // `v1,BASE64` and others, separated by spaces
}

// readEnvelope reads the headers and refuses what is not of now.
func readEnvelope(h http.Header, now time.Time) (envelope, error) {
	e := envelope{id: h.Get("webhook-id"), timestamp: h.Get("webhook-timestamp"), signatures: h.Get("webhook-signature")}
	switch {
	case e.id == "" || e.timestamp == "" || e.signatures == "":
		return e, gate.Refuse(http.StatusBadRequest, "headers", "the headers webhook-id, webhook-timestamp and webhook-signature are needed")
	case len(e.id) > maxID || len(e.signatures) > maxHeader || strings.ContainsFunc(e.id, unprintable):
		return e, gate.Refuse(http.StatusBadRequest, "headers", "webhook-id may have %d printable bytes, webhook-signature %d", maxID, maxHeader)
	}
	seconds, err := strconv.ParseInt(e.timestamp, 10, 64)
	if err != nil {
		return e, gate.Refuse(http.StatusBadRequest, "headers", "webhook-timestamp is no whole number of seconds since 1970")
	}
	e.sentAt = time.Unix(seconds, 0).UTC()
	if off := now.Sub(e.sentAt); off > window || off < -window {
		return e, gate.Refuse(http.StatusUnauthorized, "clock", "webhook-timestamp is more than %s off; it is either an old push again, or a clock is wrong", window)
	}
	return e, nil
}

func unprintable(r rune) bool { return r <= ' ' || r > '~' }

// verify says whether one of the signatures is by one of the keys. It looks at all of them, whatever it finds.
func (e envelope) verify(keys [][]byte, body []byte) bool {
	valid := false
	for _, key := range keys {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.", e.id, e.timestamp)
		mac.Write(body)
		want := mac.Sum(nil)
		for given := range strings.SplitSeq(e.signatures, " ") {
			version, text, _ := strings.Cut(given, ",")
			got, err := base64.StdEncoding.DecodeString(text)
			if version == "v1" && err == nil && hmac.Equal(got, want) {
				valid = true
			}
		}
	}
	return valid
}

// key reads a secret as it is written: `whsec_` and base64.
func key(secret string) ([]byte, error) {
	k, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, prefix))
	if err != nil {
		return nil, fmt.Errorf("read webhook secret: it is not %sBASE64: %w", prefix, err)
	}
	if len(k) < minKey {
		return nil, fmt.Errorf("read webhook secret: it has %d bytes, and needs %d", len(k), minKey)
	}
	return k, nil
}

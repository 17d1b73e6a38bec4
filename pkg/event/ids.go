package event

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

// Ids are strings with a type, so that one cannot be passed for another.
type (
	IdentityID string // one human, for ever
	CaseID     string // one workflow, from trigger to the last change
	EventID    string // one transition
)

// DeriveID returns an id that depends on nothing but its cause and its index: the same input gives the same
// output, on every try and every machine. The prefix says what kind of thing the id names.
func DeriveID(prefix string, index int, cause ...string) string {
	h := sha256.New()
	for _, c := range cause {
		h.Write([]byte(strconv.Itoa(len(c))))
		h.Write([]byte{':'})
		h.Write([]byte(c))
	}
	h.Write([]byte(strconv.Itoa(index)))
	return prefix + "-" + hex.EncodeToString(h.Sum(nil)[:10])
}

package csv

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"time"

	"joinery.internal/pkg/intake"
)

// manifest is what a file's writer promises of it.
type manifest struct {
	Rows   *int      `json:"rows"`
	SHA256 string    `json:"sha256"`
	At     time.Time `json:"at"` // when the file was true; zero: when it was written
}

func parseManifest(b []byte) (manifest, error) {
	var m manifest
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil || m.Rows == nil || len(m.SHA256) != 2*sha256.Size {
		return m, intake.Faultf(intake.Decode, `the manifest is not as it must be: {"rows": 300, "sha256": "64 hex digits", "at": "2026-03-02T08:00:00Z"}, of which at may be left out`)
	}
	return m, nil
}

// keeps says whether the file is what the manifest says.
func (m manifest) keeps(sum string, rows int) error {
	switch {
	case !strings.EqualFold(m.SHA256, sum):
		return intake.Faultf(intake.Decode, "the manifest's sha256 is not that of the file: one of them is cut off or was changed")
	case *m.Rows != rows:
		return intake.Faultf(intake.Decode, "the manifest says %d rows, the file has %d", *m.Rows, rows)
	}
	return nil
}

func sumOf(data []byte) string {
	h := sha256.Sum256(data)
	return hex.EncodeToString(h[:])
}

package ldap

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/uuid"
)

// hidden are attributes that no map has any business with.
var hidden = map[string]bool{"userpassword": true, "unicodepwd": true, "ntpwdhistory": true, "lmpwdhistory": true, "dbcspwd": true, "supplementalcredentials": true}

// document is an entry as the map sees it.
func document(e *ldap.Entry) map[string]any {
	out, values := map[string]any{}, map[string]any{}
	for _, a := range e.Attributes {
		if hidden[strings.ToLower(a.Name)] {
			continue
		}
		var texts []any
		for _, v := range a.ByteValues {
			switch {
			case strings.EqualFold(a.Name, "objectGUID"):
				if id, ok := guid(v); ok {
					texts = append(texts, id)
				}
			case utf8.Valid(v):
				texts = append(texts, string(v))
			}
		}
		if len(texts) > 0 {
			out[a.Name], values[a.Name] = texts[0], texts
		}
	}
	out["dn"], out["values"] = strings.ToValidUTF8(e.DN, "\uFFFD"), values
	return out
}

// guid writes an objectGUID as Windows does: its first three parts are little-endian.
func guid(b []byte) (string, bool) {
	if len(b) != 16 {
		return "", false
	}
	return uuid.UUID{b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]}.String(), true
}

// modified is when the server last changed the entry; zero: it does not say.
func modified(e *ldap.Entry) time.Time {
	for _, name := range []string{"modifyTimestamp", "whenChanged"} {
		for _, layout := range []string{"20060102150405Z", "20060102150405.0Z", "20060102150405.000000Z"} {
			if t, err := time.Parse(layout, e.GetEqualFoldAttributeValue(name)); err == nil {
				return t
			}
		}
	}
	return time.Time{}
}

// below says whether a DN is the base or under it. One that cannot be read is not.
func below(base *ldap.DN, name string) bool {
	dn, err := ldap.ParseDN(name)
	return err == nil && (base.EqualFold(dn) || base.AncestorOfFold(dn))
}

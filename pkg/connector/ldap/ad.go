package ldap

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"
)

// parseAD makes the profile of connector ad.
func parseAD(connection map[string]string, e endpoint) (profile, error) {
	if !e.secure && !e.startTLS {
		return profile{}, errors.New("connection.url must be ldaps://, or startTLS true: Active Directory takes passwords over TLS only")
	}
	base, err := dn(connection, "base")
	if err != nil {
		return profile{}, err
	}
	suffix := connection["upnSuffix"]
	if suffix == "" {
		suffix = domainOf(base)
	}
	p := profile{
		connector: "ad", base: base, groupBase: connection["groupBase"], account: "sAMAccountName", rdn: "cn", classes: []string{"user"},
		people: connection["filter"], groups: "(objectClass=group)", externalID: externalID(connection),
		id: "objectGUID", member: "member", memberOf: true, linked: true, state: accountControl{},
		idOf:     func(e *ldap.Entry) string { return guidText(e.GetEqualFoldRawAttributeValue("objectGUID")) },
		idFilter: guidFilter,
		implied: func(account string) map[string]string {
			return map[string]string{"userPrincipalName": account + "@" + suffix}
		},
		password: func(password string) (string, []string) { return "unicodePwd", []string{unicodePassword(password)} }, needsPassword: true,
	}
	if p.groupBase == "" {
		p.groupBase = base.String()
	}
	if p.people == "" {
		p.people = "(&(objectCategory=person)(objectClass=user))"
	}
	return p, p.check()
}

// domainOf is the DNS name that the end of a DN spells: dc=ad,dc=acme,dc=example.
func domainOf(dn *ldap.DN) string {
	var labels []string
	for _, rdn := range dn.RDNs {
		if a := rdn.Attributes[0]; strings.EqualFold(a.Type, "dc") {
			labels = append(labels, a.Value)
		}
	}
	return strings.Join(labels, ".")
}

// guidOrder is where each byte of a GUID's text is in its binary form: the first three groups are little-endian.
var guidOrder = [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15}

func guidText(b []byte) string {
	if len(b) != len(guidOrder) {
		return ""
	}
	var ordered [16]byte
	for i, at := range guidOrder {
		ordered[i] = b[at]
	}
	h := hex.EncodeToString(ordered[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func guidFilter(id string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(id, "-", ""))
	if err != nil || len(b) != len(guidOrder) {
		return ""
	}
	var out strings.Builder
	out.WriteString("(objectGUID=")
	for _, at := range guidOrder { // the order is its own inverse
		fmt.Fprintf(&out, "\\%02x", b[at])
	}
	return out.String() + ")"
}

// unicodePassword is the form in which AD takes a password: quoted, UTF-16, little-endian.
func unicodePassword(password string) string {
	var out strings.Builder
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		out.WriteByte(byte(unit))
		out.WriteByte(byte(unit >> 8))
	}
	return out.String()
}

// accountControl is AD's userAccountControl.
type accountControl struct{}

const (
	accountDisable = 0x2
	normalAccount  = 0x200
)

func (accountControl) attribute() string { return "userAccountControl" }

func (accountControl) enabled(values []string) bool { return flags(values)&accountDisable == 0 }

func flags(values []string) int64 {
	if len(values) == 0 {
		return accountDisable // what cannot be read is not taken for access
	}
	n, err := strconv.ParseInt(values[0], 10, 64)
	if err != nil {
		return accountDisable
	}
	return n
}

// change takes the old value away by name: whoever changed another bit in between makes it fail, and not vanish.
func (accountControl) change(on bool, values []string) []ldap.Change {
	next := flags(values) | accountDisable
	if on {
		next = flags(values) &^ accountDisable
	}
	one := func(operation uint, value string) ldap.Change {
		return ldap.Change{Operation: operation, Modification: ldap.PartialAttribute{Type: "userAccountControl", Vals: []string{value}}}
	}
	if len(values) == 0 {
		return []ldap.Change{one(ldap.ReplaceAttribute, strconv.FormatInt(next|normalAccount, 10))}
	}
	return []ldap.Change{one(ldap.DeleteAttribute, values[0]), one(ldap.AddAttribute, strconv.FormatInt(next, 10))}
}

func (accountControl) initial(on bool) string {
	if on {
		return strconv.Itoa(normalAccount)
	}
	return strconv.Itoa(normalAccount | accountDisable)
}

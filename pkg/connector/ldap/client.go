package ldap

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/handover"
)

// Client is one directory.
type Client struct {
	name          string
	desk          *handover.Desk // where initial passwords go; nil: nowhere
	profile       profile
	attributes    []string // those the target file maps; nil: not known, all are read
	managesGroups bool
	timeout       time.Duration
	pool          *pool

	mu       sync.Mutex
	controls []string // what the root DSE says is supported; nil until it has been asked
	listings map[string]*listing
	turn     int64
}

// Close ends idle connections and listings under way.
func (c *Client) Close() error {
	c.mu.Lock()
	listings := slices.Collect(maps.Values(c.listings))
	clear(c.listings)
	c.mu.Unlock()
	for _, l := range listings {
		l.conn.end()
	}
	c.pool.close()
	return nil
}

const (
	assertionOID = "1.3.6.1.1.12"
	pagingOID    = ldap.ControlTypePaging
)

// supported asks the server once which controls it has.
func (c *Client) supported(ctx context.Context) ([]string, error) {
	c.mu.Lock()
	known := c.controls
	c.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found := []string{}
	err := c.with(ctx, "read the root DSE", connector.Object{}, func(k *call) error {
		res, err := k.search(ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false,
			"(objectClass=*)", []string{"supportedControl"}, nil))
		if err == nil && len(res.Entries) > 0 {
			found = append(found, res.Entries[0].GetEqualFoldAttributeValues("supportedControl")...)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.controls = found
	return found, nil
}

// Describe reads what the server can do.
func (c *Client) Describe(ctx context.Context) (connector.Descriptor, error) {
	controls, err := c.supported(ctx)
	if err != nil {
		return connector.Descriptor{}, err
	}
	return connector.Descriptor{
		Connector: c.profile.connector, Kinds: []string{groupKind}, Attributes: c.attributes, ExternalID: c.profile.externalID != "", Rename: true, List: true, Watch: c.watches(controls),
		Conditional: c.profile.version != "" && slices.Contains(controls, assertionOID),
	}, nil
}

// assertion is the control that makes a change conditional (RFC 4528): its value is a filter.
type assertion struct{ filter *ber.Packet }

// GetControlType gives the control's OID.
func (assertion) GetControlType() string { return assertionOID }

// Encode makes the control's packet; it is critical, since a server that ignored it would write blindly.
func (a assertion) Encode() *ber.Packet {
	p := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSequence, nil, "Control")
	p.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, assertionOID, "Type"))
	p.AppendChild(ber.NewBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, true, "Critical"))
	value := ber.Encode(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, nil, "Value")
	value.AppendChild(a.filter)
	p.AppendChild(value)
	return p
}

// String describes the control.
func (assertion) String() string { return "assertion (" + assertionOID + ")" }

// condition returns the controls that make a change conditional on a version, none where there is no version to go by.
func (c *Client) condition(version string) ([]ldap.Control, error) {
	if version == "" || c.profile.version == "" {
		return nil, nil
	}
	filter, err := ldap.CompileFilter("(" + c.profile.version + "=" + ldap.EscapeFilter(version) + ")")
	if err != nil {
		return nil, fmt.Errorf("make the assertion: %w", err)
	}
	return []ldap.Control{assertion{filter}}, nil
}

// Normalize puts values into the form in which Get answers: several lines sorted, the parent as a DN in lower case.
func (c *Client) Normalize(want connector.Desired) connector.Desired {
	if want.Attributes == nil {
		return want
	}
	attributes := make(map[string]string, len(want.Attributes))
	for name, value := range want.Attributes {
		if name != parentAttribute {
			attributes[name] = join(split(value))
			continue
		}
		attributes[name] = value
		if d, err := ldap.ParseDN(value); err == nil { // Apply will say if it is none
			attributes[name] = canonical(d.RDNs)
		}
	}
	want.Attributes = attributes
	return want
}

// split and join turn a value of several lines into several values and back.
func split(value string) []string {
	if value == "" {
		return nil
	}
	return strings.Split(value, "\n")
}

func join(values []string) string {
	return strings.Join(slices.Compact(slices.Sorted(slices.Values(values))), "\n")
}

func canonical(rdns []*ldap.RelativeDN) string {
	return strings.ToLower((&ldap.DN{RDNs: rdns}).String())
}

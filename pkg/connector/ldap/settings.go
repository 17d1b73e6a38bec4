package ldap

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/address"
	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/handover"
)

// Keys are the connection keys of connector ldap; AD has KeysAD.
func Keys() []string {
	return []string{"url", "startTLS", "ca", "user", "password", "base", "groupBase", "account", "externalId", "objectClass",
		"filter", "disable", "member", "memberOf", "recipient", "handover"}
}

// KeysAD are the connection keys of connector ad.
func KeysAD() []string {
	return []string{"url", "startTLS", "ca", "user", "password", "base", "groupBase", "externalId", "filter", "upnSuffix", "recipient", "handover"}
}

// endpoint is where and as whom to connect.
type endpoint struct {
	address        string // host:port
	tls            *tls.Config
	secure         bool // ldaps
	startTLS       bool
	user, password string
}

// parseEndpoint reads the keys that say how to connect.
func parseEndpoint(connection map[string]string) (endpoint, error) {
	var e endpoint
	u, err := url.Parse(connection["url"])
	if err != nil || u.Hostname() == "" || u.Scheme != "ldap" && u.Scheme != "ldaps" || u.User != nil {
		return e, errors.New("connection.url must be the ldap or ldaps address of the directory, such as ldaps://ldap.acme.example")
	}
	e.secure = u.Scheme == "ldaps"
	if e.startTLS, err = flag(connection, "startTLS", false); err != nil {
		return e, err
	}
	if e.secure && e.startTLS {
		return e, errors.New("connection.startTLS is for ldap://; ldaps:// is encrypted from the start")
	}
	port := u.Port()
	if port == "" {
		port = map[bool]string{true: ldap.DefaultLdapsPort, false: ldap.DefaultLdapPort}[e.secure]
	}
	e.address = net.JoinHostPort(u.Hostname(), port)
	e.user, e.password = connection["user"], connection["password"]
	if (e.user == "") != (e.password == "") {
		return e, errors.New("connection.user and connection.password belong together")
	}
	if !e.secure && !e.startTLS && !address.Loopback(u.Hostname()) {
		return e, errors.New("connection.url would send the password in the clear; use ldaps:// or startTLS: true")
	}
	e.tls = &tls.Config{ServerName: u.Hostname(), MinVersion: tls.VersionTLS12}
	if path := connection["ca"]; path != "" {
		if e.tls.RootCAs, err = authorities(path); err != nil {
			return e, err
		}
	}
	return e, nil
}

func authorities(path string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("connection.ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("connection.ca: %s holds no certificate", path)
	}
	return pool, nil
}

func flag(connection map[string]string, key string, absent bool) (bool, error) {
	switch connection[key] {
	case "":
		return absent, nil
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, fmt.Errorf("connection.%s must be true or false", key)
}

// Open checks the settings of connector ldap; it makes no call, so that a target that is down can be opened.
func Open(s connector.Settings) (*Client, error) {
	return open(s, Keys(), parsePlain)
}

// OpenAD does the same for connector ad.
func OpenAD(s connector.Settings) (*Client, error) {
	return open(s, KeysAD(), parseAD)
}

func open(s connector.Settings, keys []string, parse func(map[string]string, endpoint) (profile, error)) (*Client, error) {
	op := "open target " + s.Name
	if err := s.CheckKeys(keys...); err != nil {
		return nil, err
	}
	e, err := parseEndpoint(s.Connection)
	if err != nil {
		return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	p, err := parse(s.Connection, e)
	if err != nil {
		return nil, &connector.Error{Class: connector.Invalid, Op: op, Err: err}
	}
	for _, kind := range s.Entitlements {
		if kind != groupKind {
			return nil, connector.Errorf(connector.Unsupported, op, "entitlements: a directory has the kind %q only, not %q", groupKind, kind)
		}
	}
	c := &Client{
		profile: p, attributes: s.Attributes, timeout: s.CallTimeout(),
		managesGroups: slices.Contains(s.Entitlements, groupKind),
		pool:          newPool(e), listings: map[string]*listing{}, name: s.Name,
	}
	if recipient, folder := s.Connection["recipient"], s.Connection["handover"]; recipient != "" || folder != "" {
		if c.desk, err = handover.Open(recipient, folder); err != nil {
			return nil, connector.Errorf(connector.Invalid, op, "connection.recipient and connection.handover: %w", err)
		}
	}
	for _, name := range s.Attributes {
		if strings.EqualFold(name, p.account) || strings.EqualFold(name, p.externalID) || p.owns(name) {
			return nil, connector.Errorf(connector.Invalid, op, "account.attributes: %s is set from the account's name, identity or state; it cannot be mapped too", name)
		}
	}
	return c, nil
}

// dn checks a key that holds a DN.
func dn(connection map[string]string, key string) (*ldap.DN, error) {
	d, err := ldap.ParseDN(connection[key])
	if err != nil || len(d.RDNs) == 0 {
		return nil, fmt.Errorf("connection.%s must be a DN such as ou=people,dc=acme,dc=example", key)
	}
	return d, nil
}

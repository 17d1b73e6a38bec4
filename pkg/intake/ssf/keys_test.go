package ssf

import (
	"testing"
)

func TestKeysAreReadOnlyFromWhereTheyMayBe(t *testing.T) {
	t.Parallel()
	k := &keyring{issuer: "https://idp.acme.example/tenant", jwks: ""}
	for _, c := range []struct {
		host, address string
		ok            bool
	}{
		{"keys.acme.example", "93.184.216.34:443", true},
		{"keys.acme.example", "10.0.0.7:443", false},
		{"keys.acme.example", "127.0.0.1:80", false},
		{"keys.acme.example", "[::1]:80", false},
		{"keys.acme.example", "[::ffff:10.0.0.7]:443", false},
		{"keys.acme.example", "169.254.169.254:80", false},
		{"IDP.acme.example", "10.0.0.7:443", true}, // the operator has named it
		{"idp.acme.example", "169.254.169.254:80", false},
	} {
		if err := k.reachable(c.host)("tcp", c.address, nil); (err == nil) != c.ok {
			t.Errorf("%s at %s: %v", c.host, c.address, err)
		}
	}
	for address, ok := range map[string]bool{"https://idp.acme.example": true, "http://idp.acme.example": false, "http://127.0.0.1:8080/jwks": true,
		"http://localhost": true, "file:///etc/passwd": false, "idp": false} {
		if err := fetchable(address); (err == nil) != ok {
			t.Errorf("%s: %v", address, err)
		}
	}
	if got := configurationOf("https://idp.acme.example/tenant/"); got != "https://idp.acme.example/.well-known/ssf-configuration/tenant" {
		t.Errorf("the configuration is at %s", got)
	}
}

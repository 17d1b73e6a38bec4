package ldap

import (
	"crypto/rand"

	"github.com/go-ldap/ldap/v3"

	"joinery.internal/pkg/connector"
	"joinery.internal/pkg/connector/handover"
)

// newPassword returns 130 random bits with each class of character that password policies ask for.
func newPassword() string { return rand.Text() + "-aA1" }

// setPassword gives a new account its first password, where it needs one or somebody waits for it. That it is sealed comes
// first: an account whose password is lost would be of no use.
func (c *Client) setPassword(add *ldap.AddRequest, op connector.Op) (*handover.Sealed, error) {
	if c.desk == nil && !c.profile.needsPassword {
		return nil, nil
	}
	password := newPassword()
	add.Attribute(c.profile.password(password))
	if c.desk == nil {
		return nil, nil
	}
	sealed, err := c.desk.Put(op.Key, handover.Secret{Target: c.name, Account: op.Want.Account, Password: password})
	if err != nil {
		return nil, connector.Errorf(connector.Transient, "", "hand the password over: %w; see connection.handover", err)
	}
	return sealed, nil
}

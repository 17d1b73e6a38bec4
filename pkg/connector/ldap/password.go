package ldap

import "crypto/rand"

// newPassword returns 130 random bits with each class of character that password policies ask for.
func newPassword() string { return rand.Text() + "-aA1" }

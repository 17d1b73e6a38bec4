package scimserver_test

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	os.Setenv("SCIM_TOKEN", "the-one-before-0814\n"+token) //nolint:errcheck // a name that every system takes
	os.Exit(m.Run())
}

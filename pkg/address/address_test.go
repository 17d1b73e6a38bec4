package address_test

import (
	"errors"
	"net/netip"
	"testing"

	"joinery.internal/pkg/address"
)

func TestOnlyThisMachineIsLoopback(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{"localhost": true, "127.0.0.1": true, "127.8.8.8": true, "::1": true, "::ffff:127.0.0.1": true,
		"": false, "localhost.acme.example": false, "10.0.0.1": false, "0.0.0.0": false, "127.0.0.1.acme.example": false} {
		if got := address.Loopback(host); got != want {
			t.Errorf("%q: %t", host, got)
		}
	}
}

func TestWhatANameResolvedToIsAskedAbout(t *testing.T) {
	t.Parallel()
	no := errors.New("no")
	control := address.Control(func(ip netip.Addr) error {
		if ip == netip.MustParseAddr("169.254.169.254") {
			return no
		}
		return nil
	})
	for at, want := range map[string]error{"169.254.169.254:80": no, "[::ffff:169.254.169.254]:80": no, "10.0.0.1:80": nil} {
		if err := control("tcp", at, nil); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", at, err, want)
		}
	}
	if control("tcp", "no address", nil) == nil {
		t.Error("what cannot be read is let through")
	}
}

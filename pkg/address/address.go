// Package address says where a host or a resolved address is, for those who send credentials or follow what others name.
//
// It owns no policy: what may be sent where is for who sends. Its functions are pure.
//
//	address.Loopback("127.0.0.1")
//	dialer.Control = address.Control(func(ip netip.Addr) error { ... })
package address

import (
	"net"
	"net/netip"
	"syscall"
)

// Loopback says that a host is this machine: what is sent there passes no network.
func Loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Control is for a net.Dialer: refuse is asked after a name was resolved, whatever it resolved to.
func Control(refuse func(netip.Addr) error) func(network, address string, _ syscall.RawConn) error {
	return func(_, address string, _ syscall.RawConn) error {
		at, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		return refuse(at.Addr().Unmap())
	}
}

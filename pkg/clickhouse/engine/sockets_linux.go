package engine

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// listeners returns the addresses this process listens on. The engine can be told to let the kernel choose a port, but
// asking it for the answer takes a statement, and its own user may run none that is long enough.
func listeners(host string) ([]string, error) {
	var addrs []string
	err := eachSocket(func(fd int, port string) error {
		accepts, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
		if err == nil && accepts != 0 {
			addrs = append(addrs, net.JoinHostPort(host, port))
		}
		return nil
	})
	return addrs, err
}

// hangUp tells the engine that no client will say anything more: what runs may finish and answer, idle connections
// close. With a client left connected the engine would wait five seconds and then end without cleaning up.
func hangUp(u up) error {
	ports := make(map[string]bool)
	for _, addr := range []string{u.HTTP, u.Native} {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return fmt.Errorf("hang up on %s: %w", addr, err)
		}
		ports[port] = true
	}
	return eachSocket(func(fd int, port string) error {
		if _, err := unix.Getpeername(fd); err != nil || !ports[port] {
			return nil // not connected, or not to us
		}
		err := unix.Shutdown(fd, unix.SHUT_RD)
		if errors.Is(err, unix.ENOTCONN) || errors.Is(err, unix.EBADF) {
			return nil // gone meanwhile
		}
		return err
	})
}

// eachSocket calls f for each TCP socket of this process, with its local port.
func eachSocket(f func(fd int, port string) error) error {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return fmt.Errorf("list descriptors: %w", err)
	}
	for _, e := range open {
		fd, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		name, err := unix.Getsockname(fd)
		if err != nil {
			continue // not a socket
		}
		switch a := name.(type) {
		case *unix.SockaddrInet4:
			err = f(fd, strconv.Itoa(a.Port))
		case *unix.SockaddrInet6:
			err = f(fd, strconv.Itoa(a.Port))
		}
		if err != nil {
			return fmt.Errorf("descriptor %d: %w", fd, err)
		}
	}
	return nil
}

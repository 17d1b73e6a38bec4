//go:build !linux

package engine

import "syscall"

// diesWithUs does nothing where the kernel offers nothing: there a server outlives a host killed with SIGKILL,
// and goes on holding the folder's lock.
func diesWithUs() *syscall.SysProcAttr { return nil }

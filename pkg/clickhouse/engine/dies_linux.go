package engine

import "syscall"

// diesWithUs makes the kernel send a child SIGTERM when we die, so that a server does not outlive a killed host.
func diesWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }

//go:build !linux

package engine

import "errors"

func (h *host) runLibrary() error {
	return errors.New("the engine library runs on Linux only; install ClickHouse or give the URL of a server")
}

package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

const (
	pingEvery = 50 * time.Millisecond
	serverEnd = 15 * time.Second // from SIGTERM to SIGKILL; less than stopTimeout
)

// runServer runs a ClickHouse server from PATH as our child. It inherits the folder's lock, so the lock
// lives as long as anybody may write the data.
func (h *host) runServer() error {
	p, err := h.splitListen()
	if err != nil {
		return err
	}
	if p.HTTP, err = freePort(p.Host, p.HTTP); err != nil {
		return err
	}
	if p.Native, err = freePort(p.Host, p.Native); err != nil {
		return err
	}
	if err := errors.Join(writeConfig(h.folder, p), writeUsers(h.folder, h.logins, false)); err != nil {
		return err
	}
	s, err := h.startServer()
	if err != nil {
		return err
	}
	u := up{HTTP: net.JoinHostPort(p.Host, p.HTTP), Native: net.JoinHostPort(p.Host, p.Native)}
	if err := h.awaitServer(u, s); err != nil {
		return errors.Join(err, s.stop())
	}
	h.sayUp(u)
	select {
	case <-h.stop:
		return s.stop()
	case <-s.ended:
		return fmt.Errorf("the server ended by itself: %v", s.cmd.ProcessState)
	}
}

// server is a child process and the end of it.
type server struct {
	cmd   *exec.Cmd
	ended chan struct{} // closed when it was waited for
}

func (h *host) startServer() (*server, error) {
	args := []string{"--config-file=" + h.folder.config()}
	if filepath.Base(h.server) == "clickhouse" {
		args = append([]string{"server"}, args...)
	}
	cmd := exec.Command(h.server, args...)
	cmd.Env = append(os.Environ(), "CLICKHOUSE_WATCHDOG_ENABLE=0") // one process, the one we watch
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	cmd.ExtraFiles = []*os.File{h.lock}
	cmd.SysProcAttr = diesWithUs()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", h.server, err)
	}
	s := &server{cmd: cmd, ended: make(chan struct{})}
	go func() {
		defer close(s.ended)
		_ = cmd.Wait() // how it ended is in cmd.ProcessState
	}()
	return s, nil
}

// awaitServer polls, since a server has no other way to say that it is ready; the parent bounds the time.
func (h *host) awaitServer(u up, s *server) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ended:
			return fmt.Errorf("the server ended before it was ready: %v", s.cmd.ProcessState)
		case <-h.stop:
			return errors.New("it was stopped while starting")
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		ok := answers(ctx, u)
		cancel()
		if ok {
			return checkClosed(context.Background(), u.HTTP)
		}
	}
}

func answers(ctx context.Context, u up) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+u.HTTP+"/ping", nil)
	if err != nil {
		return false
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	resp.Body.Close()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", u.Native)
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was said on it
	return resp.StatusCode == http.StatusOK
}

// stop asks, waits, and kills what does not listen.
func (s *server) stop() error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the server: %w", err)
	}
	select {
	case <-s.ended:
		return nil
	case <-time.After(serverEnd):
	}
	err := s.cmd.Process.Kill()
	<-s.ended
	return errors.Join(fmt.Errorf("the server did not stop within %v and was killed", serverEnd), err)
}

// freePort resolves port 0 for a server that must be told a number.
func freePort(host, port string) (string, error) {
	if port != "0" {
		return port, nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer func() { _ = l.Close() }() // only held the port
	_, port, err = net.SplitHostPort(l.Addr().String())
	return port, err
}

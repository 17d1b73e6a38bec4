package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"
)

// prompt is what the engine's console shows when it waits for a statement.
const prompt = "joinery-engine"

// runLibrary is `clickhouse local` in this process, with listeners. It is driven through a pseudo-terminal, because
// with anything else as standard input this version ends the process on a malformed packet or a wrong
// password of any client.
//
//	engine: logs in to itself as default ──▶ prompt
//	        START LISTEN (typed)         ──▶ prompt ──▶ a new listener, or the reason is in the log
//	                                                    default's quota used up: ready
//	        ... serves ...               ◀── end of input: it stops
func (h *host) runLibrary() error {
	p, err := h.splitListen()
	if err != nil {
		return err
	}
	if err := errors.Join(writeConfig(h.folder, p), writeUsers(h.folder, h.logins, true)); err != nil {
		return err
	}
	con, err := openConsole()
	if err != nil {
		return err
	}
	if err := confine(h.folder, h.library); err != nil {
		return err
	}
	query, err := loadLibrary(h.library)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	driven := make(chan error, 1)
	go func() { driven <- h.drive(con, p, ended) }()
	err = query([]string{"clickhouse", "--path=" + h.folder.store(), "--config-file=" + h.folder.config(),
		"--listen_host=" + p.Host, "--tcp_port=" + p.Native, "--http_port=" + p.HTTP,
		"--log-level=warning", "--logger.log=" + h.folder.engineLog(),
		"--interactive", "--prompt=" + prompt, "--history_file=/dev/null", "--progress=off", "--highlight=0", "--disable_suggestion"})
	close(ended)
	return errors.Join(err, <-driven)
}

// drive types at the engine's console until the parent asks for the end, and sees to it that the end comes.
func (h *host) drive(con *console, p ports, ended <-chan struct{}) error {
	defer func() {
		con.endInput()
		select {
		case <-ended:
		case <-time.After(stopTimeout):
			fmt.Fprintln(os.Stderr, "engine host: the engine does not stop; what it acknowledged is on disk")
			os.Exit(1)
		}
	}()
	if !con.awaitPrompt(h.stop, ended) {
		return nil
	}
	u, err := h.listenAll(con, p, ended)
	if err != nil {
		return err
	}
	h.sayUp(u)
	select {
	case <-h.stop:
		return hangUp(u)
	case <-ended:
		return nil
	}
}

func (h *host) listenAll(con *console, p ports, ended <-chan struct{}) (up, error) {
	var addrs []string
	for _, statement := range []string{"SYSTEM START LISTEN TCP", "SYSTEM START LISTEN HTTP"} {
		if err := con.typeLine(statement); err != nil {
			return up{}, err
		}
		if !con.awaitPrompt(h.stop, ended) {
			return up{}, errors.New("it was stopped while starting")
		}
		now, err := listeners(p.Host)
		if err != nil {
			return up{}, err
		}
		if len(now) != len(addrs)+1 {
			return up{}, fmt.Errorf("it does not listen on %s; is the port taken?", h.listen)
		}
		fresh := slices.DeleteFunc(now, func(a string) bool { return slices.Contains(addrs, a) })
		addrs = append(addrs, fresh...)
	}
	u := up{Native: addrs[0], HTTP: addrs[1]}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return u, checkClosed(ctx, u.HTTP)
}

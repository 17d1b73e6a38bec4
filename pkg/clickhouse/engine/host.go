package engine

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// lockTimeout bounds the wait for the host of a killed parent, which stops by itself in well under a second.
const lockTimeout = 30 * time.Second

// host is one run of HostMain.
type host struct {
	folder  folder
	listen  string // host:port for HTTP
	library string
	server  string
	logins  logins
	lock    *os.File
	ready   *os.File      // the parent reads one line of it
	stop    chan struct{} // closed when the parent closed its pipe, or died, or somebody sent SIGTERM
}

// HostMain is the main function of the child process: the arguments after Options.SelfExe. It returns the exit
// code when the engine has stopped. Its file descriptors 0, 1 and 2 are the parent's pipe, the ready line and the log.
func HostMain(args []string) int {
	runtime.LockOSThread() // the engine stays on one thread; a child server's death signal is tied to it
	h := &host{stop: make(chan struct{})}
	if err := h.prepare(args); err != nil {
		return h.fail(err)
	}
	run := h.runServer
	if h.library != "" {
		run = h.runLibrary
	}
	err := run()
	runtime.KeepAlive(h.lock) // a collected file would give the lock up while the engine still writes
	if err != nil {
		return h.fail(err)
	}
	return 0
}

func (h *host) fail(err error) int {
	if h.ready != nil {
		h.sayUp(up{Error: err.Error()})
	}
	fmt.Fprintln(os.Stderr, "engine host:", err)
	return 1
}

func (h *host) prepare(args []string) error {
	flags := flag.NewFlagSet("engine-host", flag.ContinueOnError)
	dir := flags.String("dir", "", "data folder")
	flags.StringVar(&h.listen, "http", "127.0.0.1:0", "address of the HTTP interface")
	flags.StringVar(&h.library, "library", "", "engine library to load")
	flags.StringVar(&h.server, "server", "", "clickhouse binary to run")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *dir == "" || (h.library == "") == (h.server == "") {
		return errors.New("engine host: --dir and one of --library and --server are needed; it is started by engine.Open only")
	}
	h.folder = folder(*dir)
	if err := closeInherited(); err != nil {
		return err
	}
	if err := h.takeOver(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), lockTimeout)
	defer cancel()
	// Core dumps and whatever else is written without a path belong beside the logs.
	if err := os.Chdir(h.folder.logs()); err != nil {
		return fmt.Errorf("enter the log folder: %w", err)
	}
	var err error
	if h.lock, err = lockFile(ctx, h.folder.lock()); err != nil {
		return fmt.Errorf("the data folder is in use by another engine: %w", err)
	}
	h.logins, err = readLogins(h.folder)
	return err
}

// takeOver moves the parent's pipe and the ready line away from descriptors 0 and 1, which the engine will use.
func (h *host) takeOver() error {
	pipe, err := dupAbove(0, "parent")
	if err != nil {
		return err
	}
	if h.ready, err = dupAbove(1, "ready"); err != nil {
		return err
	}
	if err := unix.Dup2(2, 1); err != nil {
		return fmt.Errorf("redirect standard output: %w", err)
	}
	if err := liftFileLimit(); err != nil {
		return err
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		gone := make(chan struct{})
		go func() {
			// Nothing is ever sent: this returns when the pipe closes. An error is an end as well.
			_, _ = io.Copy(io.Discard, pipe)
			close(gone)
		}()
		select {
		case <-gone:
		case <-asked:
		}
		close(h.stop)
	}()
	return nil
}

// liftFileLimit removes a limit on the size of files, which the engine as a library would not notice to have met.
func liftFileLimit() error {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return fmt.Errorf("read the limit on file sizes: %w", err)
	}
	if limit.Max != unix.RLIM_INFINITY {
		return fmt.Errorf("files may not be larger than %d bytes here (ulimit -f); the engine needs unlimited", limit.Max)
	}
	limit.Cur = limit.Max
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		return fmt.Errorf("lift the limit on file sizes: %w", err)
	}
	// Should one be set later: an error of the write that meets it, not the end of the process.
	signal.Ignore(syscall.SIGXFSZ)
	return nil
}

func dupAbove(fd int, name string) (*os.File, error) {
	to, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("move descriptor %d: %w", fd, err)
	}
	return os.NewFile(uintptr(to), name), nil
}

// closeInherited closes what leaked in from whoever started our parent: everything above 2 that is not marked
// close-on-exec, as all that Go itself opens is. Otherwise we would hold foreign pipes and locks open.
func closeInherited() error {
	open, err := os.ReadDir("/dev/fd")
	if err != nil {
		return fmt.Errorf("list descriptors: %w", err)
	}
	for _, e := range open {
		fd, err := strconv.Atoi(e.Name())
		if err != nil || fd <= 2 {
			continue
		}
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			err = unix.Close(fd)
		}
		if err != nil && !errors.Is(err, unix.EBADF) { // the listing's own descriptor is closed by now
			return fmt.Errorf("close inherited descriptor %d: %w", fd, err)
		}
	}
	return nil
}

// sayUp writes the one line. If the parent is gone there is nobody to tell, and h.stop is about to close.
func (h *host) sayUp(u up) {
	b, err := json.Marshal(u)
	if err == nil {
		_, err = h.ready.Write(append(b, '\n'))
	}
	if err == nil {
		err = h.ready.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "engine host: tell the parent:", err)
	}
	h.ready = nil
}

// checkClosed uses up the quota of the user `default`, and so makes sure that nobody runs anything without a password.
func checkClosed(ctx context.Context, httpAddr string) error {
	for range 2 * starterQuota {
		body := strings.NewReader("SYSTEM START LISTEN HTTP") // does nothing more, and is counted
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+httpAddr, body)
		if err != nil {
			return fmt.Errorf("ask the engine: %w", err)
		}
		req.Close = true // a connection kept open would delay a stop
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return fmt.Errorf("ask the engine: %w", err)
		}
		resp.Body.Close()
		if resp.StatusCode >= http.StatusBadRequest {
			return nil
		}
	}
	return errors.New("the engine obeys the default user without a password; it must not run so")
}

func (h *host) splitListen() (ports, error) {
	host, port, err := net.SplitHostPort(h.listen)
	if err != nil {
		return ports{}, fmt.Errorf("HTTP address %q: want host:port: %w", h.listen, err)
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return ports{Host: host, HTTP: port, Native: "0"}, nil
}

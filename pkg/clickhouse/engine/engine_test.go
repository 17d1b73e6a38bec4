package engine_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"joinery.internal/pkg/clickhouse"
	"joinery.internal/pkg/clickhouse/engine"
	"joinery.internal/pkg/clickhouse/engine/enginetest"
)

// parentArg makes the test binary a parent that opens an engine on the folder given next, says its native URL, and waits.
const parentArg = "engine-parent"

func TestMain(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == parentArg {
		os.Exit(parent(os.Args[2]))
	}
	if filepath.Base(os.Args[0]) == "clickhouse" {
		os.Exit(fakeBinary(os.Args[1:]))
	}
	enginetest.Main(m)
}

func parent(dir string) int {
	self, err := os.Executable()
	if err != nil {
		return 1
	}
	eng, err := engine.Open(context.Background(), engine.Options{Setting: engine.SettingLibrary, Dir: dir, SelfExe: []string{self, "engine-host"}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(eng.NativeURL(), eng.PID())
	<-eng.Done()
	return 0
}

func TestRowsWrittenBeforeACloseAreThereAfterTheNextOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	eng := enginetest.Open(t, dir)
	conn := enginetest.Connect(t, eng)
	createTable(t, conn)
	insert(t, conn, 1)
	if err := eng.Close(); err != nil {
		t.Fatal(err)
	}
	<-eng.Done()
	if err := eng.Err(); err != nil {
		t.Fatalf("after Close: %v", err)
	}
	again := enginetest.Open(t, dir)
	if got := rows(t, enginetest.Connect(t, again)); got != 1 {
		t.Fatalf("rows after reopening = %d, want 1", got)
	}
	if eng.Password() != again.Password() {
		t.Fatal("the password changed; it belongs to the folder")
	}
}

func TestAcknowledgedRowsSurviveKillNineOfTheEngine(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := uint64(0)
	for range 3 {
		eng := enginetest.Open(t, dir)
		conn := enginetest.Connect(t, eng)
		if acknowledged == 0 {
			createTable(t, conn)
		}
		for range 20 {
			insert(t, conn, acknowledged)
			acknowledged++
		}
		writing := make(chan error, 1)
		go func() { // an insert is in flight when the engine dies
			writing <- conn.Exec(context.WithoutCancel(t.Context()), "INSERT INTO joinery.t SELECT 1000000 + number, '' FROM numbers(5000000)")
		}()
		if err := syscall.Kill(eng.PID(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-eng.Done()
		if err := eng.Err(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Errorf("Err after a kill = %v, want it to say so", err)
		}
		if err := <-writing; err == nil {
			t.Error("an insert was acknowledged by a killed engine")
		}
	}
	conn := enginetest.Connect(t, enginetest.Open(t, dir))
	var got uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM joinery.t WHERE n < 1000000").Scan(&got); err != nil {
		t.Fatal(err)
	}
	if got != acknowledged {
		t.Fatalf("%d rows are there, %d were acknowledged", got, acknowledged)
	}
}

func TestTheEngineEndsCleanlyWhenItsParentIsKilledAndTheFolderCanBeOpenedAtOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	self := enginetest.SelfExe(t)[0]
	cmd := exec.Command(self, parentArg, dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var url string
	var host int
	if _, err := fmt.Fscan(bufio.NewReader(out), &url, &host); err != nil {
		t.Fatalf("read the parent's line: %v", err)
	}
	conn := enginetest.ConnectURL(t, url)
	createTable(t, conn)
	insert(t, conn, 1)
	pidfd, err := unix.PidfdOpen(host, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil {
		t.Fatal("the parent was not killed")
	}
	again := enginetest.Open(t, dir) // waits for the old one's lock
	if err := unix.Waitid(unix.P_PIDFD, pidfd, nil, unix.WEXITED|unix.WNOHANG, nil); err == nil {
		t.Error("the host is our child; the test is wrong")
	}
	if err := unix.PidfdSendSignal(pidfd, 0, nil, 0); err != unix.ESRCH && !zombie(host) {
		t.Errorf("the old host still runs: %v", err)
	}
	if got := rows(t, enginetest.Connect(t, again)); got != 1 {
		t.Fatalf("rows = %d, want 1", got)
	}
}

func zombie(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestDescriptorsAndSecretsOfTheParentDoNotReachTheHost(t *testing.T) {
	t.Parallel()
	leak, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer leak.Close()
	// As if whoever started us had left it open: not closed by exec.
	fd, err := unix.FcntlInt(leak.Fd(), unix.F_DUPFD, 100)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	eng := enginetest.Open(t, t.TempDir())
	links, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", eng.PID()))
	if err != nil || len(links) == 0 {
		t.Fatalf("list descriptors of the host: %v", err)
	}
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && to == leak.Name() {
			t.Errorf("descriptor %s of the host is %s", filepath.Base(l), to)
		}
	}
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", eng.PID()))
	if err != nil {
		t.Fatal(err)
	}
	for v := range strings.SplitSeq(strings.Trim(string(env), "\x00"), "\x00") {
		name, _, _ := strings.Cut(v, "=")
		if !strings.Contains(" PATH HOME TMPDIR LANG TZ GOTRACEBACK GOCOVERDIR GORACE ", " "+name+" ") {
			t.Errorf("the host has %s of our environment", name)
		}
	}
	group, err := syscall.Getpgid(eng.PID())
	if err != nil || group != eng.PID() {
		t.Errorf("process group of the host = %d, %v; want its own", group, err)
	}
}

func TestTheEngineKeepsRoomOnTheDiskSinceItWouldNotNoticeThatItIsFull(t *testing.T) {
	t.Parallel()
	conn := enginetest.Connect(t, enginetest.Open(t, t.TempDir()))
	var keep uint64
	if err := conn.QueryRow(t.Context(), "SELECT keep_free_space FROM system.disks WHERE name = 'default'").Scan(&keep); err != nil {
		t.Fatal(err)
	}
	if keep != 256<<20 {
		t.Fatalf("room kept = %d bytes, want 256 MiB", keep)
	}
}

func TestTheReaderReadsEvidenceAndNothingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	eng := enginetest.Open(t, dir)
	owner := enginetest.Connect(t, eng)
	createTable(t, owner)
	insert(t, owner, 1)
	reader := enginetest.ConnectURL(t, eng.ReaderURL())
	if got := rows(t, reader); got != 1 {
		t.Fatalf("the reader counts %d rows, want 1", got)
	}
	refused := func(conn clickhouse.Conn, sql string) {
		t.Helper()
		if err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("allowed: %s", sql)
		}
	}
	for _, sql := range []string{"INSERT INTO joinery.t VALUES (2, '')", "DROP TABLE joinery.t", "CREATE TABLE joinery.u (n UInt8) ENGINE = MergeTree ORDER BY n"} {
		refused(reader, sql)
	}
	for _, sql := range []string{
		"SYSTEM SHUTDOWN", "SYSTEM STOP LISTEN HTTP", "CREATE DATABASE other", "SELECT * FROM file('/etc/passwd', 'LineAsString')",
		"SELECT file('/etc/passwd')", "SELECT file('" + dir + "/logins.json')", "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
	} {
		refused(reader, sql)
		refused(owner, sql)
	}
}

func TestNobodyWithoutAPasswordRunsAnything(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	eng := enginetest.Open(t, dir)
	for _, sql := range []string{"SELECT 1", "SELECT file('/etc/passwd')", "SYSTEM STOP LISTEN HTTP", "SYSTEM STOP LISTEN TCP", "SET max_ast_elements = 100"} {
		if status, body := post(t, eng.HTTPURL(), sql); status < 400 {
			t.Errorf("%s: %d %s", sql, status, body)
		}
	}
	for _, login := range []string{"joinery:wrong", "joinery_reader:wrong", "nobody:x"} {
		url := strings.Replace(eng.HTTPURL(), "http://", "http://"+login+"@", 1)
		if status, body := post(t, url, "SELECT 1"); status < 400 {
			t.Errorf("%s: %d %s", login, status, body)
		}
		native := "clickhouse://" + login + "@" + eng.NativeAddr()
		if conn, err := clickhouse.Connect(t.Context(), native); err == nil {
			conn.Close()
			t.Errorf("%s is let in by the native interface", login)
		}
	}
	st, err := os.Stat(filepath.Join(dir, "logins.json"))
	if err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("mode of the logins = %v, %v; want 0600", st.Mode(), err)
	}
	if err := eng.Err(); err != nil {
		t.Errorf("the engine ended over it: %v", err)
	}
}

func post(t *testing.T, url, sql string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(sql))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func createTable(t *testing.T, conn clickhouse.Conn) {
	t.Helper()
	for _, sql := range []string{
		"CREATE DATABASE IF NOT EXISTS joinery",
		"CREATE TABLE joinery.t (n UInt64, pad String) ENGINE = MergeTree ORDER BY n SETTINGS fsync_after_insert = 1, fsync_part_directory = 1",
	} {
		if err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

func insert(t *testing.T, conn clickhouse.Conn, n uint64) {
	t.Helper()
	if err := conn.Exec(t.Context(), fmt.Sprintf("INSERT INTO joinery.t VALUES (%d, '')", n)); err != nil {
		t.Fatalf("insert %d: %v", n, err)
	}
}

func rows(t *testing.T, conn clickhouse.Conn) uint64 {
	t.Helper()
	var n uint64
	if err := conn.QueryRow(t.Context(), "SELECT count() FROM joinery.t").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

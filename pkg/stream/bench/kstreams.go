package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"joinery.internal/pkg/dirlock"
	"joinery.internal/pkg/kafkatest"
)

//go:embed kstreams
var kstreams embed.FS

// java is a process that does the job on Kafka Streams, in a line for each command; see CountJob.java. One serves all
// runs, so that it is as warm as its rivals. It ends when its standard input does: when this process is gone.
type java struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	dir string // of local state and the log

	mu  sync.Mutex // a command and its answer
	out *bufio.Scanner
}

// openJava builds the job, if it is not in the cache, and starts its process.
func openJava(ctx context.Context, dir string) (*java, error) {
	built, err := build(ctx)
	if err != nil {
		return nil, err
	}
	j := &java{dir: dir}
	log, err := os.Create(filepath.Join(dir, "kstreams.log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	class := strings.Join([]string{filepath.Join(built, "target", "classes"), filepath.Join(built, "lib", "*")}, string(os.PathListSeparator))
	j.cmd = exec.CommandContext(ctx, "java", "-Xms1g", "-Xmx3g", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", class, "CountJob")
	j.cmd.Stderr = log
	if j.in, err = j.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := j.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	j.out = bufio.NewScanner(stdout)
	if err := j.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start Kafka Streams: %w", err)
	}
	return j, nil
}

// build has Maven fetch Kafka Streams and compile the job, once for each version of its source, and gives the folder.
func build(ctx context.Context) (dir string, err error) {
	for _, tool := range []string{"java", "javac", "mvn"} {
		if _, err := exec.LookPath(tool); err != nil {
			return "", fmt.Errorf("%s not found; `make tools` installs it", tool)
		}
	}
	sum := sha256.New()
	sources := []string{"pom.xml", "src/main/java/CountJob.java"}
	contents := map[string][]byte{}
	for _, name := range sources {
		b, err := kstreams.ReadFile("kstreams/" + name)
		if err != nil {
			return "", err
		}
		contents[name] = b
		sum.Write(b)
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("find the user's cache folder: %w", err)
	}
	dir = filepath.Join(cache, "joinery", fmt.Sprintf("kstreams-%s-%x", kafkatest.Version, sum.Sum(nil)[:6]))
	lock, err := dirlock.Acquire(ctx, dir)
	if err != nil {
		return "", fmt.Errorf("wait for another benchmark to build the job: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	done := filepath.Join(dir, "built") // written last
	if _, err := os.Stat(done); err == nil {
		return dir, nil
	}
	for _, name := range sources {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, contents[name], 0o600)); err != nil {
			return "", err
		}
	}
	mvn := exec.CommandContext(ctx, "mvn", "-q", "-B", "-f", filepath.Join(dir, "pom.xml"), "compile", "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(dir, "lib"))
	if out, err := mvn.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the job with Maven: %w\n%s", err, out)
	}
	return dir, os.WriteFile(done, nil, 0o600)
}

func (j *java) close() {
	if j == nil {
		return
	}
	_ = j.in.Close() // it ends
	_ = j.cmd.Wait() // however it ended
}

// say sends a command and gives the answer.
func (j *java) say(words ...string) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, err := fmt.Fprintln(j.in, strings.Join(words, " "))
	if err == nil && j.out.Scan() {
		return j.out.Text(), nil
	}
	if err == nil {
		err = cmp.Or(j.out.Err(), io.ErrUnexpectedEOF)
	}
	return "", fmt.Errorf("%s: no answer of Kafka Streams: %w", words[0], err)
}

// number is a command whose answer is one.
func (j *java) number(command string) (int64, error) {
	answer, err := j.say(command)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(answer, 10, 64)
}

// streams is the job on Kafka Streams, in memory, with that configuration beside what all have.
func (j *java) streams(name string, config ...string) *rival {
	return &rival{name: name,
		spent: func() (time.Duration, error) { n, err := j.number("cpu"); return time.Duration(n), err },
		state: func(id string) []string { return []string{id + "-count-changelog"} },
		run: func(ctx context.Context, w *world, job job) error {
			if err := j.start(w, job, config); err != nil {
				return err
			}
			<-ctx.Done()
			_, err := j.say("stop")
			return err
		}}
}

func (j *java) start(w *world, job job, config []string) error {
	words := append([]string{"start", job.in, job.out, "application.id=" + job.id, "bootstrap.servers=" + w.addr, "state.dir=" + filepath.Join(j.dir, "kstreams"),
		"processing.guarantee=exactly_once_v2", "consumer.auto.offset.reset=earliest", "transaction.timeout.ms=10000",
		"replication.factor=1", "num.standby.replicas=0"}, config...)
	answer, err := j.say(words...)
	if err != nil || answer == "RUNNING" {
		return err
	}
	log, _ := os.ReadFile(filepath.Join(j.dir, "kstreams.log")) // the error says enough without it
	return fmt.Errorf("Kafka Streams is %s:\n%s", answer, bytes.TrimSpace(log[max(0, len(log)-2000):]))
}

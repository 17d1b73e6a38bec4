// Command mutate shows that the tests of package stream would notice: it switches off one protection after the other
// in a copy of the code, and fails unless the tests named as its guard go red each time.
//
// Run it in the folder of the module: go run ./stream/mutate. It takes a few minutes. The tree is not touched: the
// mutants are given to the compiler as an overlay.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

func main() {
	dir := flag.String("dir", "stream", "folder of the package")
	only := flag.String("only", "", "run only mutants whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	survivors := 0
	for _, m := range mutants {
		if !strings.Contains(m.name, *only) {
			continue
		}
		began := time.Now()
		verdict, err := m.run(ctx, *dir)
		if err != nil {
			fmt.Printf("SURVIVED  %-62s %v\n", m.name, err)
			survivors++
			continue
		}
		fmt.Printf("caught    %-62s by %s in %.1f s\n", m.name, verdict, time.Since(began).Seconds())
	}
	if survivors > 0 {
		fmt.Printf("%d of %d protections are not guarded by a test\n", survivors, len(mutants))
		os.Exit(1)
	}
}

// run builds the tests with the mutant in place of its file and says which test caught it. An error means: none did, or
// the mutant no longer fits the code.
func (m mutant) run(ctx context.Context, dir string) (caught string, err error) {
	path, err := filepath.Abs(filepath.Join(dir, m.file))
	if err != nil {
		return "", err
	}
	code, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	if n := bytes.Count(code, []byte(m.from)); n != 1 {
		return "", fmt.Errorf("the code to change is there %d times in %s: bring the mutant up to date", n, m.file)
	}
	temp, err := os.MkdirTemp("", "mutate")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(temp) }() // a temporary folder left behind changes no verdict
	mutated, overlay := filepath.Join(temp, m.file), filepath.Join(temp, "overlay.json")
	if err := os.WriteFile(mutated, bytes.Replace(code, []byte(m.from), []byte(m.to), 1), 0o600); err != nil {
		return "", err
	}
	replace, err := json.Marshal(map[string]map[string]string{"Replace": {path: mutated}})
	if err != nil {
		return "", err
	}
	if err := os.WriteFile(overlay, replace, 0o600); err != nil {
		return "", err
	}
	return test(ctx, dir, overlay, m.guard, filepath.Join(temp, "stream"+exe()))
}

// test builds and runs the guards. A mutant that hangs is caught as well.
func test(ctx context.Context, dir, overlay, guard, binary string) (caught string, err error) {
	build := exec.CommandContext(ctx, "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", binary, ".")
	build.Dir = dir
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("does not build: %s", out)
	}
	run := exec.CommandContext(ctx, binary, "-test.run", "^("+guard+")$", "-test.timeout", "40s", "-runs", "40")
	run.Dir = dir
	out, err := run.CombinedOutput()
	if err == nil {
		return "", fmt.Errorf("%s stays green", guard)
	}
	for line := range strings.Lines(string(out)) {
		if name, failed := strings.CutPrefix(line, "--- FAIL: "); failed {
			name, _, _ = strings.Cut(name, " ")
			return name, nil
		}
	}
	return guard + " (it ended with " + err.Error() + ")", nil
}

func exe() string {
	if runtime.GOOS == "windows" {
		return ".exe"
	}
	return ""
}

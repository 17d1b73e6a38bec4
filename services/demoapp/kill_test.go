package demoapp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"testing"

	"joinery.internal/pkg/connector"
	"joinery.internal/services/demoapp"
)

// servedDir names the folder a copy of this test binary serves, until its stdin closes.
const servedDir = "DEMOAPP_TEST_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(servedDir); dir != "" {
		serve(dir)
		return
	}
	os.Exit(m.Run())
}

func serve(dir string) {
	apps, err := demoapp.Start(context.Background(), dir)
	if err != nil {
		panic(err)
	}
	addresses := map[string][2]string{}
	for _, name := range apps.Names() {
		address, token, err := apps.Resolve("demo:" + name)
		if err != nil {
			panic(err)
		}
		addresses[name] = [2]string{address, token}
	}
	if err := json.NewEncoder(os.Stdout).Encode(addresses); err != nil {
		panic(err)
	}
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		panic(err)
	}
	if err := apps.Close(); err != nil {
		panic(err)
	}
}

// spawn serves dir in a process of its own and returns how to kill it.
func spawn(t *testing.T, dir string) (kill func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), servedDir+"="+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("the process did not start: %v", err)
	}
	return sync.OnceFunc(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Errorf("kill: %v", err)
		}
		if err := cmd.Wait(); err == nil {
			t.Error("the killed process ended well")
		}
		if err := stdin.Close(); err != nil {
			t.Logf("close the pipe of the killed process: %v", err)
		}
	})
}

func TestAKillLosesNothingThatWasAnsweredAndNothingIsMadeTwice(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir) // to learn the addresses, which stay
	targets := map[string]connector.Connector{}
	for _, name := range first.Names() {
		s := settings(t, first, name)
		targets[name] = opened(t, s)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	kill := spawn(t, dir)
	defer kill()

	const hires = 40
	answered := make(chan string, hires*len(targets))
	var wg sync.WaitGroup
	for name, c := range targets {
		wg.Go(func() {
			for i := range hires {
				if _, err := connector.Drive(t.Context(), c, "k", hire(name, i)); err != nil {
					return // killed
				}
				answered <- fmt.Sprint(name, "/", hire(name, i).Account)
			}
		})
	}
	for range 25 { // in the middle of it
		<-answered
	}
	kill()
	wg.Wait()

	apps := start(t, dir)
	defer apps.Close()
	for name := range targets {
		c := opened(t, settings(t, apps, name))
		for i := range hires {
			if _, err := connector.Drive(t.Context(), c, "k", hire(name, i)); err != nil {
				t.Fatalf("%s: drive after the kill: %v", name, err)
			}
		}
		s := look(t, apps, name)
		if len(s.Accounts) != hires || len(s.CreatesByExternalID) != hires {
			t.Errorf("%s: %d accounts of %d people, want %d", name, len(s.Accounts), len(s.CreatesByExternalID), hires)
		}
		for id, n := range s.CreatesByExternalID {
			if n != 1 {
				t.Errorf("%s: %s was created %d times", name, id, n)
			}
		}
	}
}

func hire(target string, i int) connector.Desired {
	kind := map[string]string{"chat": "group", "wiki": "group", "erp": "role"}[target]
	return connector.Desired{
		Account: fmt.Sprint("user", i), ExternalID: fmt.Sprint("id-", i), State: connector.Active,
		Attributes:   map[string]string{"title": "Engineer"},
		Entitlements: []string{kind + "/staff"}, ManagedKinds: []string{kind},
	}
}

package process_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// BenchmarkChangesOverHTTP is what the provisioner, in a process of its own, makes of a target that answers at once: a
// joiner is two effective changes, an account and a group. Beside it the bare loop: the same requests without Joinery.
// JOINERY_PROFILE=FILE keeps a profile of the provisioner.
func BenchmarkChangesOverHTTP(b *testing.B) {
	dir := b.TempDir()
	_, s := newFast(b, nil)
	write(b, filepath.Join(dir, "targets", "app.yaml"), targetFile("app", "scim", s, "concurrency: 32, timeout: 5s"))
	w := newWorld(b, dir, map[string]string{"app": s.kind})
	i := w.start("provisioner", "-profile", os.Getenv("JOINERY_PROFILE"))
	w.wantAll("app", people("first", 100), staff)
	w.rest("app", s)
	const joiners = 5000
	for b.Loop() {
		began := time.Now()
		w.wantAll("app", people("joiner", joiners), staff)
		w.rest("app", s)
		b.ReportMetric(2*joiners/time.Since(began).Seconds(), "changes/s")
	}
	if err := i.Stop(10 * time.Second); err != nil {
		b.Error(err)
	}
	f, bare := newFast(b, nil)
	began := time.Now()
	bareLoop(b, strings.TrimSuffix(strings.TrimPrefix(bare.file, `connection: {url: "`), `"}`), joiners)
	b.ReportMetric(float64(len(f.journal))/time.Since(began).Seconds(), "bare-changes/s")
}

func people(name string, n int) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprint(name, i)
	}
	return ids
}

// bareLoop makes the requests of n joiners, 32 at a time.
func bareLoop(b *testing.B, url string, n int) {
	b.Helper()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	call := func(method, path, body string) (u struct{ ID string }) {
		req, err := http.NewRequestWithContext(b.Context(), method, url+path, strings.NewReader(body))
		if err != nil {
			b.Error(err)
			return u
		}
		res, err := client.Do(req)
		if err != nil {
			b.Error(err)
			return u
		}
		defer res.Body.Close()
		answer, err := io.ReadAll(res.Body)
		if err == nil && len(answer) > 0 {
			err = json.Unmarshal(answer, &u)
		}
		if err != nil {
			b.Error(err)
		}
		return u
	}
	var group sync.WaitGroup
	for worker := range 32 {
		group.Go(func() {
			for i := worker; i < n; i += 32 {
				call(http.MethodGet, fmt.Sprintf("/Users?filter=externalId+eq+%%22bare%d%%22", i), "")
				call(http.MethodGet, fmt.Sprintf("/Users?filter=userName+eq+%%22u-bare%d%%22", i), "")
				u := call(http.MethodPost, "/Users", fmt.Sprintf(`{"userName":"u-bare%d","externalId":"bare%d","active":true}`, i, i))
				call(http.MethodGet, "/Users/"+u.ID, "")
				call(http.MethodPatch, "/Groups/x", fmt.Sprintf(`{"Operations":[{"op":"add","path":"members","value":[{"value":"%s"}]}]}`, u.ID))
				call(http.MethodGet, "/Users/"+u.ID, "")
			}
		})
	}
	group.Wait()
}

// BenchmarkAWaveOfJoiners is 10,000 joiners to 3 targets: 60,000 changes.
func BenchmarkAWaveOfJoiners(b *testing.B) {
	for b.Loop() {
		b.ReportMetric(60_000/wave(b, 10_000).Seconds(), "changes/s")
	}
}

package httpcall

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"joinery.internal/pkg/connector"
)

func TestRetryAfterIsSecondsOrADate(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]time.Duration{
		"": 0, "120": 2 * time.Minute, "-1": 0, "soon": 0,
		"Wed, 21 Oct 2026 07:29:00 GMT": time.Minute,
		"Wed, 21 Oct 2026 07:00:00 GMT": 0,
	} {
		h := http.Header{"Retry-After": {value}, "Date": {"Wed, 21 Oct 2026 07:28:00 GMT"}}
		if got := retryAfter(h); got != want {
			t.Errorf("Retry-After %q is %s, want %s", value, got, want)
		}
	}
}

func TestATargetIsNotLeftAloneForEver(t *testing.T) {
	t.Parallel()
	for _, value := range []string{"3601", "31536000000", "9223372036854775807", "Fri, 21 Oct 2033 07:29:00 GMT"} {
		h := http.Header{"Retry-After": {value}, "Date": {"Wed, 21 Oct 2026 07:28:00 GMT"}}
		if got := retryAfter(h); got != time.Hour {
			t.Errorf("Retry-After %q is %s, want an hour", value, got)
		}
	}
}

func TestWhatATargetSaysOfOurCredentialsIsNotRepeated(t *testing.T) {
	t.Parallel()
	for name, value := range map[string]string{"Authorization": "Bearer s3cret-token", "X-Api-Key": "s3cret-token"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Error(w, "who is "+r.Header.Get(name)+"?", http.StatusUnauthorized)
		}))
		base, err := url.Parse(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		c := Caller{Base: base, HTTP: NewClient(), Timeout: 10 * time.Second,
			Authorize: func(_ context.Context, r *http.Request) error { r.Header.Set(name, value); return nil },
			Explain:   func(_ int, body []byte) (string, connector.Class) { return string(body), "" }}
		_, err = c.Do(t.Context(), Request{Op: "get account", Method: http.MethodGet, Path: "users"})
		if connector.ClassOf(err) != connector.Denied || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "who is") {
			t.Errorf("%s: %v", name, err)
		}
		server.Close()
	}
}

func TestMetadataOfACloudIsNotReached(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"http://169.254.169.254/latest", "http://[fe80::a9fe:a9fe%25lo]/", "http://[::ffff:169.254.169.254]/"} {
		base, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Caller{Base: base, HTTP: NewClient(), Timeout: 10 * time.Second}.Do(t.Context(), Request{Op: "get account", Method: http.MethodGet, Path: "users"})
		if err == nil || !strings.Contains(err.Error(), "this machine's link") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

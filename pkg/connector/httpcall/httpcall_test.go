package httpcall

import (
	"net/http"
	"testing"
	"time"
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

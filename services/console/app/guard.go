package app

import (
	"net"
	"net/http"
)

// policy of content: our own style sheet and icon, forms to ourselves, nothing else. There are no scripts at all.
const contentPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// guard is what every request passes before anything of ours looks at it.
//
//	known host (demo: loopback names only, against DNS rebinding)
//	  -> headers that tell browsers what this site never does
//	  -> not sent by a page of another site (http.CrossOriginProtection)
//	  -> next
func guard(next http.Handler, demo bool, refuse http.Handler) http.Handler {
	origin := http.NewCrossOriginProtection()
	origin.SetDenyHandler(refuse)
	protected := origin.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
		if demo && !loopback(r.Host) {
			refuse.ServeHTTP(w, r)
			return
		}
		protected.ServeHTTP(w, r)
	})
}

// loopback says whether a Host header names this machine by a name no other machine can have.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	if host == "localhost" {
		return true
	}
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		host = host[1 : len(host)-1]
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

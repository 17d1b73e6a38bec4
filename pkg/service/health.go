package service

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Health serves /metrics, /livez and /readyz of one process.
type Health struct {
	listener net.Listener
	server   *http.Server
	isReady  atomic.Bool
}

// Serve answers on addr until Close; Ready makes readyz say yes.
func Serve(addr string, reg *prometheus.Registry) (*Health, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for metrics and health: %w", err)
	}
	h := &Health{listener: l}
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !h.isReady.Load() {
			http.Error(w, "not ready: partitions are being restored", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	h.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := h.server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			h.isReady.Store(false)
		}
	}()
	return h, nil
}

func (h *Health) Addr() string { return h.listener.Addr().String() }
func (h *Health) Ready()       { h.isReady.Store(true) }
func (h *Health) Close() {
	h.server.Close() //nolint:errcheck // the process ends
}

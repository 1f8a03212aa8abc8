package main

import (
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/handoff/pool"
	"example.com/handoff/pool/prom"
)

// metrics serves what Prometheus asks for.
type metrics struct {
	registry *prometheus.Registry
	server   *http.Server
	url      string
}

func serveMetrics(addr string) (*metrics, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--metrics: %w: expected HOST:PORT that is free, as localhost:9090", err)
	}
	m := &metrics{registry: prometheus.NewRegistry(), url: fmt.Sprintf("http://%s/metrics", l.Addr())}
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}))
	m.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go m.server.Serve(l) // until close
	return m, nil
}

func (m *metrics) show(p *pool.Pool) { m.registry.MustRegister(prom.New(p, nil)) }

func (m *metrics) close() { m.server.Close() }

package prom_test

import (
	"context"
	"fmt"
	"log"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"example.com/handoff/pool"
	"example.com/handoff/pool/prom"
)

var root = pool.Func("example.root", func(t *pool.Task, x float64) (float64, error) {
	if x < 0 {
		return 0, fmt.Errorf("%g has no root", x)
	}
	return math.Sqrt(x), nil
})

// A pool that can be scraped at /metrics. main has to call pool.Main first.
func Example() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	reg := prometheus.NewRegistry()
	reg.MustRegister(prom.New(p, prometheus.Labels{"pool": "roots"}))
	mux := http.NewServeMux()
	mux.Handle("/metrics", promhttp.HandlerFor(reg, promhttp.HandlerOpts{}))
	// go http.ListenAndServe("localhost:9090", mux)

	for _, x := range []float64{4, 9, -1} {
		f, err := root.Submit(ctx, p, x)
		if err != nil {
			log.Fatal(err)
		}
		f.Wait(ctx)
	}

	scrape := httptest.NewRecorder()
	mux.ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(scrape.Body.String()) {
		if strings.Contains(line, "_tasks_total") || strings.Contains(line, "_width") {
			fmt.Print(line)
		}
	}
	// Output:
	// # HELP handoff_pool_tasks_total Tasks resolved, ranges not among them.
	// # TYPE handoff_pool_tasks_total counter
	// handoff_pool_tasks_total{outcome="cancelled",pool="roots"} 0
	// handoff_pool_tasks_total{outcome="done",pool="roots"} 2
	// handoff_pool_tasks_total{outcome="failed",pool="roots"} 1
	// # HELP handoff_pool_width Workers that may run at once: fewer than the target while memory is short.
	// # TYPE handoff_pool_width gauge
	// handoff_pool_width{pool="roots"} 2
}

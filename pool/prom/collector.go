package prom

import (
	"github.com/prometheus/client_golang/prometheus"

	"example.com/handoff/pool"
)

// New makes a collector of what p does, with labels on each of its metrics, which
// may be nil. Registering it is the caller's. It is an error there if pools in one
// registry have not labels of the same names and of different values, or have one
// named "class", "outcome", "slot" or "state". The collector keeps p: unregister it
// when the pool is closed, else it goes on to give what [pool.Pool.Stats] says then.
func New(p *pool.Pool, labels prometheus.Labels) prometheus.Collector {
	return newCollector(p.Stats, labels)
}

func newCollector(stats func() pool.Stats, labels prometheus.Labels) *collector[pool.Stats] {
	return collectorOf("handoff_pool_", metrics, stats, labels)
}

// A collector asks for Stats at each scrape. It is not changed once it is made.
type collector[S any] struct {
	stats   func() S
	metrics []metric[S]
	descs   []*prometheus.Desc // of these, in their order
}

func collectorOf[S any](prefix string, metrics []metric[S], stats func() S, labels prometheus.Labels) *collector[S] {
	c := &collector[S]{stats: stats, metrics: metrics}
	for _, m := range metrics {
		var by []string
		if m.by != "" {
			by = []string{m.by}
		}
		c.descs = append(c.descs, prometheus.NewDesc(prefix+m.name, m.help, by, labels))
	}
	return c
}

// Describe implements [prometheus.Collector]: it gives all that Collect may.
func (c *collector[S]) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		ch <- d
	}
}

// Collect implements [prometheus.Collector]: all values are of one moment.
func (c *collector[S]) Collect(ch chan<- prometheus.Metric) {
	s := c.stats()
	for i, m := range c.metrics {
		m.read(&s, func(v float64, by ...string) {
			ch <- prometheus.MustNewConstMetric(c.descs[i], m.kind, v, by...)
		})
	}
}

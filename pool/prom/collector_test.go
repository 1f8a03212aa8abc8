package prom

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
)

// full has something for every metric: a different number for each, workers that
// are dead, and two incarnations of a slot.
func full() pool.Stats {
	return pool.Stats{
		Workers: []pool.WorkerStats{
			{Slot: 0, PID: 101, State: pool.StateDead, PrivateBytes: 1 << 30},
			{Slot: 0, PID: 104, State: pool.StateRunning, PrivateBytes: 4096},
			{Slot: 1, PID: 102, State: pool.StateRunning, PrivateBytes: 8192},
			{Slot: 2, PID: 103, State: pool.StateIdle},
			{Slot: 3, PID: 105, State: pool.StateStandby},
		},
		Attempts: 11, Deaths: map[pool.ExitClass]int64{pool.ExitSignal: 2, pool.ExitOOM: 1}, Respawns: 3,
		Memory: pool.MemoryStats{BytesByRef: 1 << 40, ResultBytesByRef: 5000, BytesCopied: 77, ResultBytesMapped: 6000, Ceiling: 18, Deaths: 19, SharedHeaders: 27},
		Width:  7, Pending: 8, Unresolved: 9, Done: 10, Failed: 12, Cancelled: 13, Quarantined: 14, Retries: 15,
		Retired: 16, Spares: 1, Target: 17, Dying: 4,
		CopyStats: pool.CopyStats{BytesByValue: 24, CopiedIn: 25, CopiedOut: 26},
		Hooks:     pool.HookStats{EventsWaiting: 20, AttemptsWaiting: 21, RecordsWaiting: 22, LinesWaiting: 23},
	}
}

func of(s pool.Stats, labels prometheus.Labels) prometheus.Collector {
	return newCollector(func() pool.Stats { return s }, labels)
}

// pedantic is a registry that holds collectors to their descriptions.
func pedantic(t *testing.T, c prometheus.Collector) *prometheus.Registry {
	t.Helper()
	reg := prometheus.NewPedanticRegistry()
	require.NoError(t, reg.Register(c))
	return reg
}

// values are what a scrape gives, by name and the value of the label, if any:
// "workers running".
func values(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	v, err := scrape(g)
	require.NoError(t, err)
	return v
}

func scrape(g prometheus.Gatherer) (map[string]float64, error) {
	families, err := g.Gather()
	v := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := strings.TrimPrefix(f.GetName(), "handoff_pool_")
			for _, l := range m.GetLabel() {
				if l.GetName() != "pool" {
					key += " " + l.GetValue()
				}
			}
			v[key] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return v, err
}

func TestValues(t *testing.T) {
	require.Equal(t, map[string]float64{
		"attempts_total":                11,
		"tasks_total done":              10,
		"tasks_total failed":            12,
		"tasks_total cancelled":         13,
		"retries_total":                 15,
		"deaths_total exit":             0,
		"deaths_total fatal":            0,
		"deaths_total signal":           2,
		"deaths_total oom":              1,
		"deaths_total deadline":         0,
		"deaths_total cancel":           0,
		"deaths_total stopped":          0,
		"deaths_total start":            0,
		"deaths_total protocol":         0,
		"deaths_total unknown":          0,
		"dying_workers":                 4,
		"memory_deaths_total":           19,
		"respawns_total":                3,
		"retired_total":                 16,
		"quarantined_indices_total":     14,
		"hook_waiting_calls on_event":   20,
		"hook_waiting_calls on_attempt": 21,
		"hook_waiting_calls logger":     22,
		"hook_waiting_calls output":     23,
		"task_array_bytes_total":        1 << 40,
		"result_array_bytes_total":      5000,
		"by_value_bytes_total":          24,
		"copied_in_bytes_total":         25,
		"copied_out_bytes_total":        26,
		"copied_bytes_total":            77,
		"width":                         7,
		"target":                        17,
		"ceiling":                       18,
		"spares":                        1,
		"pending_tasks":                 8,
		"unresolved_tasks":              9,
		"workers standby":               1,
		"workers idle":                  1,
		"workers running":               2,
		"workers draining":              0,
		"worker_private_bytes 0":        4096,
		"worker_private_bytes 1":        8192,
		"result_mapped_bytes":           6000,
		"shared_header_bytes":           27,
	}, values(t, pedantic(t, of(full(), nil))))
}

// A pool of which nothing is known yet has all series but those of numbers that
// nobody knows.
func TestNothingYet(t *testing.T) {
	before, after := values(t, pedantic(t, of(pool.Stats{}, nil))), values(t, pedantic(t, of(full(), nil)))
	for key, v := range before {
		require.Zero(t, v, key)
	}
	for key := range after {
		if key != "ceiling" && !strings.HasPrefix(key, "worker_private_bytes") {
			require.Contains(t, before, key)
		}
	}
}

// A class or state that this package has not heard of is shown all the same.
func TestUnknownClass(t *testing.T) {
	v := values(t, pedantic(t, of(pool.Stats{
		Deaths:  map[pool.ExitClass]int64{"new": 1},
		Workers: []pool.WorkerStats{{State: "new"}},
	}, nil)))
	require.Equal(t, 1.0, v["deaths_total new"])
	require.Equal(t, 1.0, v["workers new"])
}

func TestLint(t *testing.T) {
	problems, err := testutil.CollectAndLint(of(full(), prometheus.Labels{"pool": "x"}))
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestLabels(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	a := of(full(), prometheus.Labels{"pool": "a"})
	require.NoError(t, reg.Register(a))
	require.NoError(t, reg.Register(of(full(), prometheus.Labels{"pool": "b"})))
	n, err := testutil.GatherAndCount(reg, "handoff_pool_width")
	require.NoError(t, err)
	require.Equal(t, 2, n)

	require.ErrorAs(t, reg.Register(of(full(), prometheus.Labels{"pool": "a"})), &prometheus.AlreadyRegisteredError{})
	require.ErrorContains(t, reg.Register(of(full(), nil)), "label names")
	for _, m := range metrics {
		if m.by != "" {
			require.ErrorContains(t, prometheus.NewRegistry().Register(of(full(), prometheus.Labels{m.by: "a"})), "duplicate label")
		}
	}
	require.True(t, reg.Unregister(a))
	require.NoError(t, reg.Register(of(full(), prometheus.Labels{"pool": "a"})))
}

// constants are those of a type of package pool, from its source.
func constants(t *testing.T, prefix, typ string) (values []string) {
	t.Helper()
	sources, err := filepath.Glob("../*.go")
	require.NoError(t, err)
	for _, name := range sources {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`(?m)^\t`+prefix+`\w+ +`+typ+` += "(\w+)"`).FindAllStringSubmatch(string(text), -1) {
			values = append(values, m[1])
		}
	}
	require.NotEmpty(t, values)
	return values
}

func TestAllClassesAndStates(t *testing.T) {
	var have []string
	for _, c := range classes {
		have = append(have, string(c))
	}
	require.ElementsMatch(t, constants(t, "Exit", "ExitClass"), have)
	have = []string{string(pool.StateStarting), string(pool.StateDead)}
	for _, s := range states {
		have = append(have, string(s))
	}
	require.ElementsMatch(t, constants(t, "State", "State"), have)
}

// names are the metrics that a text names, each once and sorted.
func names(text string) []string {
	all := regexp.MustCompile(`handoff_pool_[a-z_]+`).FindAllString(text, -1)
	slices.Sort(all)
	return slices.Compact(all)
}

// given are the metrics that a collector gives where there is something for each.
func given(t *testing.T) (all []string) {
	t.Helper()
	families, err := pedantic(t, of(full(), nil)).Gather()
	require.NoError(t, err)
	for _, f := range families {
		all = append(all, f.GetName())
	}
	return all
}

func TestAlerts(t *testing.T) {
	text, err := os.ReadFile("alerts.yml")
	require.NoError(t, err)
	require.NotEmpty(t, names(string(text)))
	require.Subset(t, given(t), names(string(text)))

	_, rules, _ := strings.Cut(string(text), "rules:\n")
	alerts := strings.Split(rules, "- alert: ")[1:]
	require.Len(t, alerts, 3)
	for _, a := range alerts {
		expr := regexp.MustCompile(`(?m)^ +expr: (.*)$`).FindStringSubmatch(a)
		require.NotNil(t, expr, a)
		require.NotEmpty(t, names(expr[1]), a)
		require.Regexp(t, `(?m)^ +summary: \S`, a)
		require.Regexp(t, `(?m)^ +description: >-\n +\S`, a)
	}
}

func TestDocNamesAllMetrics(t *testing.T) {
	text, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	require.Equal(t, given(t), names(string(text)))
}

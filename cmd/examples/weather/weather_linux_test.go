package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
	"example.com/handoff/pool/pipeline"
	"example.com/handoff/pool/tune"
)

func TestMain(m *testing.M) {
	pool.Main()
	goleak.VerifyTestMain(m)
}

func soak() bool { return os.Getenv("HANDOFF_SOAK") != "" }

// start is a server of years, of the file in HANDOFF_TEST_CSV if there is one.
func start(t *testing.T, latency time.Duration) *server {
	t.Helper()
	s, err := startServer(os.Getenv("HANDOFF_TEST_CSV"), latency)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func (s *server) job(years int) job {
	return job{url: s.URL, years: years, window: 24, out: io.Discard, format: files.CSV, fetchers: 8, parsers: 2, workers: 2, budget: 32 << 20}
}

// want is row h of year n of the output, by sorting each window.
func (s *server) want(n, h, window int) (m [quantities]float64) {
	for q := range m {
		var w []float64
		for i := max(0, h-window+1); i <= h; i++ {
			w = append(w, s.value(n, i, q))
		}
		slices.Sort(w)
		m[q] = w[(len(w)-1)/2]/2 + w[len(w)/2]/2
	}
	return m
}

func TestCSV(t *testing.T) {
	s := start(t, time.Millisecond)
	const years = 6
	var out bytes.Buffer
	j := s.job(years)
	j.out = &out
	_, err := j.run(t.Context())
	require.NoError(t, err)
	rows, err := csv.NewReader(&out).ReadAll()
	require.NoError(t, err)
	require.Equal(t, []string{"year", "pressure", "temperature", "wind"}, rows[0])
	hours := len(s.values)
	require.Len(t, rows[1:], years*hours)
	for i, row := range rows[1:] {
		require.Equal(t, strconv.Itoa(i/hours), row[0])
		if i%97 != 0 && i%hours > 30 {
			continue
		}
		for q, want := range s.want(i/hours, i%hours, j.window) {
			got, err := strconv.ParseFloat(row[1+q], 64)
			require.NoError(t, err)
			require.Equal(t, want, got, "row %d, quantity %d", i, q)
		}
	}
}

func TestArrow(t *testing.T) {
	s := start(t, time.Millisecond)
	var out bytes.Buffer
	j := s.job(3)
	j.out, j.format = &out, files.Arrow
	_, err := j.run(t.Context())
	require.NoError(t, err)
	r, err := ipc.NewFileReader(bytes.NewReader(out.Bytes()))
	require.NoError(t, err)
	defer r.Close()
	require.Equal(t, 3, r.NumRecords())
	for n := range 3 {
		rec, err := r.Record(n)
		require.NoError(t, err)
		require.EqualValues(t, n, rec.Column(0).(*array.Int64).Value(100))
		for q, want := range s.want(n, 100, j.window) {
			require.Equal(t, want, rec.Column(1+q).(*array.Float64).Value(100))
		}
	}
}

func TestCommand(t *testing.T) {
	var said strings.Builder
	name := filepath.Join(t.TempDir(), "out.arrow")
	require.NoError(t, command(t.Context(), []string{"-years", "2", "-latency", "1ms", "-out", name}, &said))
	require.Contains(t, said.String(), "transform    process")
	info, err := os.Stat(name)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(2*hoursOfYear*4*8))
	require.Error(t, command(t.Context(), []string{"-years", "0"}, &said))
	require.ErrorContains(t, command(t.Context(), []string{"-csv", name + "x"}, &said), "no such file")
}

// What the server sends may be anything.
func TestParseRefuses(t *testing.T) {
	p, err := pool.New(t.Context(), &pool.Options{Workers: 1})
	require.NoError(t, err)
	defer p.Close(context.Background())
	for body, want := range map[string]string{
		"":                         "has no rows",
		header:                     "has no rows",
		header + "a,1,2\n":         "row 1 of 1: record on line 2: wrong number of fields",
		header + "a,1,2,x\n":       "row 1: strconv.ParseFloat",
		header + "a,1,2,3\n\n":     "row 2 of 2: EOF",
		header + "a,1,2,3\nb,1,2,": "expected an end of line",
	} {
		pl := pipeline.New(nil)
		flow := pipeline.Go(pl, "parse", pipeline.From(pl, slices.Values([]string{body})), func(ctx context.Context, s string) (year, error) {
			return parse(ctx, p, text{0, []byte(s)}, 24)
		}, 1)
		err := pipeline.Drain(t.Context(), flow, func(context.Context, year) error { return nil })
		require.ErrorContains(t, err, want, "%q", body)
	}
	require.Zero(t, p.Arena().Stats().Live)
}

// A usage is the memory of the pipeline's processes at a time.
type usage struct {
	pss, shared, inFlight int64
	processes             int
}

// watch samples until end is called, which returns the largest of the first and of the
// second half of the samples.
func watch(pl *pipeline.Pipeline, p *pool.Pool, every time.Duration) (end func() (first, second usage)) {
	var all []usage
	stop := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for tick := time.NewTicker(every); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
			u := usage{pss: pssOfSelf(), shared: p.Arena().Stats().Mapped, processes: 1}
			stats := pl.Stats()
			u.inFlight = stats.Bytes
			for _, st := range stats.Stages {
				u.pss += st.PSS
				u.processes += st.Workers
			}
			all = append(all, u)
		}
	})
	return func() (first, second usage) {
		close(stop)
		done.Wait()
		most := func(list []usage) (m usage) {
			for _, u := range list {
				m.pss, m.shared, m.inFlight, m.processes = max(m.pss, u.pss), max(m.shared, u.shared), max(m.inFlight, u.inFlight), max(m.processes, u.processes)
			}
			return m
		}
		return most(all[:len(all)/2]), most(all[len(all)/2:])
	}
}

func pssOfSelf() int64 {
	f, err := os.Open("/proc/self/smaps_rollup")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "Pss: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}

// Memory is bounded by the budget and what the processes themselves take, however much
// comes through, and does not grow with it.
func TestMemoryIsFlat(t *testing.T) {
	s := start(t, time.Millisecond)
	years, every := 120, 10*time.Millisecond
	if soak() {
		one := int64(len(header) + 32*len(s.values)) // at least
		years, every = int(2<<30/one)+1, 200*time.Millisecond
	}
	j := s.job(years)
	j.budget = 16 << 20
	var end func() (usage, usage)
	before := pssOfSelf()
	j.started = func(pl *pipeline.Pipeline, p *pool.Pool) { end = watch(pl, p, every) }
	stats, err := j.run(t.Context())
	first, second := end()
	require.NoError(t, err)
	require.EqualValues(t, years, stats.Stages[len(stats.Stages)-1].Out)
	t.Logf("%d MiB of CSV in %.2f s; PSS of this process before %d MiB; of all, most in the first half %d MiB, in the second %d MiB; arena %d MiB; at most %d of %d KiB in flight\n%s",
		s.sent.Load()>>20, stats.Wall.Seconds(), before>>20, first.pss>>20, second.pss>>20, max(first.shared, second.shared)>>20, stats.HighBytes>>10, stats.MaxBytes>>10, stats)
	if soak() {
		require.GreaterOrEqual(t, s.sent.Load(), int64(2<<30))
	}
	require.LessOrEqual(t, stats.HighBytes, j.budget)
	require.Equal(t, 3, max(first.processes, second.processes))
	// The constant: the runtimes of three processes, what the server and the requests have
	// in hand, which is not in the pipeline yet, and garbage: as much again as lives.
	const constant = 96 << 20
	require.LessOrEqual(t, max(first.pss, second.pss), before+j.budget+constant)
	require.LessOrEqual(t, second.pss, first.pss+first.pss/4+8<<20)
}

// The pipeline waits for its one request at a time.
func TestTune(t *testing.T) {
	if !soak() {
		t.Skip("HANDOFF_SOAK is not set: many runs")
	}
	s := start(t, 20*time.Millisecond)
	j := s.job(24)
	j.fetchers, j.workers, j.parsers = 1, 1, 1
	report, err := tuneJob(t.Context(), j, &tune.Options{MaxWidth: 16})
	require.NoError(t, err)
	t.Log("\n" + report.String())
	if report.Outcome != tune.OutcomeUnclear {
		require.Equal(t, "fetch", report.Bottleneck)
	}
}

package bench

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/perf/benchfmt"
)

// A run with a small budget has models, crossovers and what was left out, and ends.
func TestRunBudget(t *testing.T) {
	held(t)
	var table bytes.Buffer
	r, err := Run(background(), &Options{Sizes: []int64{64, 4 << 10, 64 << 10}, Time: time.Second, Compute: time.Millisecond, Table: &table})
	require.NoError(t, err)
	requireSchema(t, r)
	require.NotEmpty(t, r.Models)
	found := map[[2]string]bool{}
	for _, c := range r.Crossovers {
		found[[2]string{c.A, c.B}], found[[2]string{c.B, c.A}] = true, true
	}
	for _, pair := range crossoverPairs {
		both := slices.ContainsFunc(r.Pairs, func(p Pair) bool {
			return pair == [2]string{p.A, p.B} || pair == [2]string{p.B, p.A}
		})
		require.Equal(t, both, found[pair], "%v", pair)
		require.True(t, both || len(r.LeftOut) > 0, "%v is missing and nothing was left out", pair)
	}
	require.Len(t, r.Advice, 3)
	var whole bytes.Buffer
	require.NoError(t, r.WriteTable(&whole))
	require.Equal(t, whole.String(), table.String(), "the table in parts is not that of the report")
	back, err := ReadReport(bytes.NewReader(written(t, r)))
	require.NoError(t, err)
	require.Len(t, back.Results, len(r.Results))
}

// A delay of 20 µs in the handoffs of one strategy, while verifying and not before, is called a wrong model: in verdicts,
// table and JSON, and ten times of ten under HANDOFF_SOAK. A run that says that the machine was too busy for it does not
// count, ten times.
func TestWrongModel(t *testing.T) {
	if raceEnabled {
		t.Skip("not in CI: a handoff takes longer under the race detector than the delay")
	}
	held(t)
	runs, delayed := 1, []string{shmCopy}
	if os.Getenv("HANDOFF_SOAK") != "" {
		runs, delayed = 10, []string{shmCopy, gobReused}
	}
	for _, name := range delayed {
		for range runs {
			for busy := 0; !requireWrong(t, name, busy < 9); busy++ {
				t.Log("too busy")
			}
		}
	}
}

// requireWrong reports false where the model was not called wrong on a machine that was too busy, if that is allowed.
func requireWrong(t *testing.T, delayed string, busy bool) bool {
	t.Helper()
	r, err := Run(background(), &Options{
		Sizes: []int64{64, 1 << 10, 4 << 10}, Strategies: []string{gobReused, shmCopy}, Time: 4 * time.Second,
		verifyDelays: map[string]time.Duration{delayed: 20 * time.Microsecond},
	})
	require.NoError(t, err)
	requireSchema(t, r)
	require.Len(t, r.Models, 2)
	for _, m := range r.Models {
		require.NotEmpty(t, m.Checks)
		require.GreaterOrEqual(t, len(m.Points), 3)
		if m.Strategy != delayed {
			continue
		}
		if busy && r.busyRows() > 0 && !strings.HasPrefix(m.Verified, "wrong by ") {
			return false
		}
		require.Contains(t, m.Verified, "wrong by ")
		require.Contains(t, strings.Join(r.Verdicts, "\n"), "The model of "+delayed+" is wrong by ")
	}
	var b bytes.Buffer
	require.NoError(t, r.WriteTable(&b))
	require.Contains(t, b.String(), "wrong by ")
	return true
}

var ticks = NewPayload("ticks", func(n int) struct{ Names []string } {
	return struct{ Names []string }{slices.Repeat([]string{"a tick"}, n)}
})

func BenchmarkTicks(b *testing.B) { ticks.Benchmark(b, 1000) }

// What WriteGo prints has the names, the units and the configuration of what go test prints,
// of every strategy and also where the payload has no value of just that size.
func TestGoNames(t *testing.T) {
	for pattern, o := range map[string]*Options{
		"^BenchmarkHandoff$/^strategy=(shm-resident|goroutine)$/dtype/touch=sum/^size=64B$": {Sizes: []int64{64}, Strategies: []string{shmResident, inProcess}},
		"^BenchmarkTicks$": {Sizes: []int64{1000}, payload: ticks.p},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, "/proc/self/exe", "-test.run=^$", "-test.bench="+pattern, "-test.benchtime=1x")
		cmd.Env = os.Environ()
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s", out)
		o.Time, o.Count = time.Millisecond, 1
		r, err := Run(background(), o)
		require.NoError(t, err)
		var b bytes.Buffer
		require.NoError(t, r.WriteGo(&b))
		theirs, ours := goLines(t, out), goLines(t, b.Bytes())
		require.Equal(t, theirs, ours)
		require.NotEmpty(t, theirs)
	}
}

// goLines are the units of each benchmark by its name, and its configuration.
func goLines(t *testing.T, text []byte) map[string]map[string]bool {
	t.Helper()
	lines := map[string]map[string]bool{}
	reader := benchfmt.NewReader(bytes.NewReader(text), "test")
	for reader.Scan() {
		res, ok := reader.Result().(*benchfmt.Result)
		require.True(t, ok, "%v", reader.Result())
		units := map[string]bool{}
		for _, v := range res.Values {
			units[cmp.Or(v.OrigUnit, v.Unit)] = true
		}
		for _, c := range res.Config {
			if c.File {
				units[c.Key+": "+string(c.Value)] = true
			}
		}
		lines[string(res.Name)] = units
	}
	require.NoError(t, reader.Err())
	return lines
}

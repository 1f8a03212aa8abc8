package cost

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// slower adds ns to each time of a function.
func slower(f func(int64) float64, ns float64) func(int64) float64 {
	return func(bytes int64) float64 { return f(bytes) + ns }
}

// A foundWorld is a world whose models and crossover are known.
type foundWorld struct {
	*world
	ma, mb Model
	c      Crossover
}

func found(t *testing.T, seed uint64, kind string, sigma float64, a, b func(int64) float64) foundWorld {
	w := newWorld(seed, kind, sigma, a, b)
	ma, mb, known := w.models(t, powers(1<<9, 1<<24, 2))
	f, err := Search(context.Background(), ma, mb, w.measure, SearchOptions{Known: known})
	require.NoError(t, err)
	return foundWorld{w, ma, mb, f.Crossovers[0]}
}

func (w foundWorld) verify(t *testing.T) Verification {
	v, err := Verify(context.Background(), w.c, w.ma, w.mb, w.measure, VerifyOptions{})
	require.NoError(t, err)
	return v
}

// cached is a line that gets steeper where two caches end.
func cached(fixed, slope float64) func(int64) float64 {
	return func(bytes int64) float64 {
		b := float64(bytes)
		return fixed + slope*(b+0.3*max(0, b-1<<18)+max(0, b-1<<21))
	}
}

// What hasn't changed is confirmed. What takes 20 µs more since, either way or both, is called wrong in every run.
func TestVerify(t *testing.T) {
	const runs = 25
	for name, f := range map[string][2]func(int64) float64{
		"lines":    {cheap, startup},
		"caches":   {cached(4000, 1.2), cached(16000, 0.4)},
		"resident": {cached(2000, 0.6), linear(4000, 0)},
		"always a": {cached(4000, 0.4), cached(16000, 1.2)},
	} {
		for _, kind := range kinds {
			unchanged, rounds := 0, 0
			for seed := range runs {
				w := found(t, uint64(seed), kind, 0.03, f[0], f[1])
				v := w.verify(t)
				unchanged += b2i(v.Verdict == confirmed)
				rounds += v.Rounds
				require.NotContains(t, v.Verdict, "wrong by", "%s, %s, seed %d", name, kind, seed)
				require.Len(t, v.Checks, 2*unseen)
				for _, delayed := range [][2]float64{{20000, 0}, {0, 20000}, {20000, 20000}} {
					w.a, w.b = slower(f[0], delayed[0]), slower(f[1], delayed[1])
					v = w.verify(t)
					require.True(t, strings.HasPrefix(v.Verdict, "wrong by "), "%s, %s, seed %d, delay %v: %s", name, kind, seed, delayed, v.Verdict)
				}
			}
			t.Logf("%s, %s: confirmed in %d of %d runs, %d rounds", name, kind, unchanged, runs, rounds/runs)
			require.GreaterOrEqual(t, unchanged, runs*9/10, "%s, %s", name, kind)
		}
	}
}

// How wrong, and where, by words.
func TestVerifySays(t *testing.T) {
	w := found(t, 1, "normal", 0.01, cheap, startup)
	require.Equal(t, confirmed, w.verify(t).Verdict)
	w.b = slower(startup, 20000)
	v := w.verify(t)
	require.Regexp(t, `^wrong by \S+( %| times) at \S+ \S+: `, v.Verdict)
	require.Equal(t, confirmed, ModelVerdict(v.Checks, "gob-reused"))
	require.Regexp(t, `^wrong by 2\.\d\d times at 724 B: shm-fresh took 36\.\d µs, the model says 16\.\d µs$`, ModelVerdict(v.Checks, "shm-fresh"))
	require.Empty(t, ModelVerdict(v.Checks, "pipe-raw"))
	require.True(t, v.Checks[0].OK && !v.Checks[1].OK && v.Checks[0].Bytes == v.Checks[1].Bytes)
	require.Less(t, v.Checks[1].ModelNS, v.Checks[1].LowNS)

	// The order has turned round, and no time is beyond what a model allows.
	w.a, w.b = cheap, startup
	w.c = Crossover{A: "shm-fresh", B: "gob-reused", Bytes: truth, Low: 12000, High: 18000, LowRatio: 0.9, HighRatio: 1.1}
	require.Regexp(t, `^wrong by .* expected gob-reused to be the faster$|^wrong by .* expected shm-fresh to be the faster$`, w.verify(t).Verdict)
	w.c = Crossover{A: "gob-reused", B: "shm-fresh", Bytes: 100000, Low: 90000, High: 110000, LowRatio: 0.9, HighRatio: 1.1}
	require.Regexp(t, `^wrong by `, w.verify(t).Verdict)
	w.c = Crossover{A: "gob-reused", B: "shm-fresh", Always: "a"}
	require.Regexp(t, `^wrong by .* gob-reused took \S+ times as long as shm-fresh$`, w.verify(t).Verdict)
}

// A crossing back is verified with A and B in their changed places.
func TestVerifyTurned(t *testing.T) {
	w := found(t, 3, "heavy tails", 0.02, startup, cheap)
	require.Equal(t, []string{"shm-fresh", "gob-reused"}, []string{w.c.A, w.c.B})
	require.Equal(t, confirmed, w.verify(t).Verdict)
}

func TestVerifyOpen(t *testing.T) {
	w := found(t, 1, "normal", 0.01, cheap, startup)
	o := VerifyOptions{Afford: func(bytes int64, _ int) bool { return bytes < 1<<20 }}
	v, err := Verify(context.Background(), w.c, w.ma, w.mb, w.measure, o)
	require.NoError(t, err)
	require.Equal(t, "not confirmed: there was no time for 8 rounds at 11.3 MiB", v.Verdict)
	w.b = cheap // the same time, where they were to differ
	w.mb = w.ma
	w.mb.Strategy = "shm-fresh"
	require.Regexp(t, `^not confirmed: gob-reused and shm-fresh are not separated at .* by 64 rounds$`, w.verify(t).Verdict)

	w = found(t, 1, "normal", 0.01, cheap, startup)
	o = VerifyOptions{Possible: func(x int64) int64 { return w.ma.Fitted[min(len(w.ma.Fitted)-1, max(0, int(math.Log2(float64(x)))-9))] }}
	v, err = Verify(context.Background(), w.c, w.ma, w.mb, w.measure, o)
	require.NoError(t, err)
	require.Contains(t, v.Verdict, "not confirmed: ")
	require.Empty(t, v.Checks, "there are no sizes that the fit has not seen")
}

func TestVerifyDegenerate(t *testing.T) {
	w := found(t, 1, "normal", 0.01, cheap, startup)
	for name, o := range map[string]VerifyOptions{"backwards": {Min: 2, Max: 1}, "tolerance": {Tolerance: 0.5}, "NaN": {Tolerance: math.NaN()}} {
		_, err := Verify(context.Background(), w.c, w.ma, w.mb, w.measure, o)
		require.Error(t, err, name)
	}
	_, err := Verify(context.Background(), Crossover{A: "x", B: "y", Bytes: 1}, w.ma, w.mb, w.measure, VerifyOptions{})
	require.ErrorContains(t, err, "a crossover of x and y and models of gob-reused and shm-fresh")
	_, err = Verify(context.Background(), w.c, Model{}, Model{}, w.measure, VerifyOptions{})
	require.Error(t, err)
	broken := errors.New("broken")
	_, err = Verify(context.Background(), w.c, w.ma, w.mb, func(context.Context, int64, int) (a, b []float64, err error) { return nil, nil, broken }, VerifyOptions{})
	require.ErrorIs(t, err, broken)
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(broken)
	_, err = Verify(ctx, w.c, w.ma, w.mb, w.measure, VerifyOptions{})
	require.ErrorIs(t, err, broken)
	one, err := Fit([]Point{{"gob-reused", 4096, 5}}, nil)
	require.NoError(t, err)
	v, err := Verify(context.Background(), Crossover{Always: "a"}, one, one, w.measure, VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, "not confirmed: the payload has 0 sizes that no fit has seen, expected 3", v.Verdict)
}

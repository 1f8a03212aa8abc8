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
	models []Model
	c      Crossover
}

func found(t *testing.T, seed uint64, kind string, sigma float64, a, b func(int64) float64) foundWorld {
	w := newWorld(seed, kind, sigma, a, b)
	ma, mb, known := w.models(t, powers(1<<9, 1<<24, 2))
	f, err := Search(context.Background(), ma, mb, w.measure, SearchOptions{Known: known})
	require.NoError(t, err)
	return foundWorld{w, []Model{ma, mb}, f.Crossovers[0]}
}

// all measures both strategies.
func (w *world) all(ctx context.Context, _ []string, bytes int64, rounds int) (map[string][]float64, error) {
	a, b, err := w.measure(ctx, bytes, rounds)
	return map[string][]float64{"gob-reused": a, "shm-fresh": b}, err
}

// pair measures the crossover's A and B.
func (w foundWorld) pair(ctx context.Context, bytes int64, rounds int) (a, b []float64, err error) {
	a, b, err = w.measure(ctx, bytes, rounds)
	if w.c.A == "shm-fresh" {
		a, b = b, a
	}
	return a, b, err
}

func (w foundWorld) verify(t *testing.T) (Checked, Verification) {
	checked, err := CheckModels(context.Background(), w.models, w.all, CheckOptions{Near: w.c.Bytes})
	require.NoError(t, err)
	v, err := Verify(context.Background(), w.c, w.pair, VerifyOptions{Fresh: checked.Between(w.c.A, w.c.B)})
	require.NoError(t, err)
	return checked, v
}

// wrong is what the verification calls wrong; "" if nothing.
func (w foundWorld) wrong(t *testing.T) string {
	checked, v := w.verify(t)
	for _, said := range []string{ModelVerdict(checked.Checks, "gob-reused"), ModelVerdict(checked.Checks, "shm-fresh"), v.Verdict} {
		if strings.HasPrefix(said, "wrong by ") {
			return said
		}
	}
	return ""
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
	runs := soak(6, 25)
	for name, f := range map[string][2]func(int64) float64{
		"lines":    {cheap, startup},
		"caches":   {cached(4000, 1.2), cached(16000, 0.4)},
		"resident": {cached(2000, 0.6), linear(4000, 0)},
		"always a": {cached(4000, 0.4), cached(16000, 1.2)},
	} {
		for _, kind := range kinds {
			unchanged := 0
			for seed := range runs {
				w := found(t, uint64(seed), kind, 0.03, f[0], f[1])
				checked, v := w.verify(t)
				require.Len(t, checked.Checks, 2*unseen)
				unchanged += b2i(v.Verdict == confirmed)
				require.NotContains(t, v.Verdict, "wrong by", "%s, %s, seed %d", name, kind, seed)
				for _, m := range w.models {
					require.Equal(t, confirmed, ModelVerdict(checked.Checks, m.Strategy), "%s, %s, seed %d", name, kind, seed)
				}
				for _, delayed := range [][2]float64{{20000, 0}, {0, 20000}, {20000, 20000}} {
					w.a, w.b = slower(f[0], delayed[0]), slower(f[1], delayed[1])
					require.NotEmpty(t, w.wrong(t), "%s, %s, seed %d, delay %v", name, kind, seed, delayed)
				}
			}
			t.Logf("%s, %s: confirmed in %d of %d runs", name, kind, unchanged, runs)
			require.GreaterOrEqual(t, unchanged, atLeast(runs, 0.9), "%s, %s", name, kind)
		}
	}
}

// How wrong, and where, by words.
func TestVerifySays(t *testing.T) {
	w := found(t, 1, "normal", 0.01, cheap, startup)
	_, v := w.verify(t)
	require.Equal(t, confirmed, v.Verdict)
	w.b = slower(startup, 20000)
	checked, v := w.verify(t)
	require.Regexp(t, `^wrong by (\S+ %|a factor of \S+) at \S+ \S+: `, v.Verdict)
	require.Equal(t, confirmed, ModelVerdict(checked.Checks, "gob-reused"))
	require.Regexp(t, `^wrong by a factor of 2\.\d\d at 724 B: shm-fresh took 36\.\d µs, the model says 16\.\d µs$`, ModelVerdict(checked.Checks, "shm-fresh"))
	require.Empty(t, ModelVerdict(checked.Checks, "pipe-raw"))
	require.Equal(t, "not confirmed: measured afresh at 2 of 3 sizes", ModelVerdict(checked.Checks[:4], "gob-reused"))
	first, second := checked.Checks[0], checked.Checks[1]
	require.True(t, first.OK && !second.OK && first.Bytes == second.Bytes)
	require.Less(t, second.ModelNS, second.LowNS)

	// The order has turned round, and no time is beyond what a model allows.
	w.a, w.b = cheap, startup
	w.c = Crossover{A: "shm-fresh", B: "gob-reused", Bytes: truth, Low: 12000, High: 18000, LowRatio: 0.9, HighRatio: 1.1}
	require.Regexp(t, `^wrong by .* expected (gob-reused|shm-fresh) to be the faster$`, w.wrong(t))
	w.c = Crossover{A: "gob-reused", B: "shm-fresh", Bytes: 100000, Low: 90000, High: 110000, LowRatio: 0.9, HighRatio: 1.1}
	require.NotEmpty(t, w.wrong(t))
	w.c = Crossover{A: "gob-reused", B: "shm-fresh", Always: "a"}
	require.Regexp(t, `^wrong by .* gob-reused took \S+ times as long as shm-fresh$`, w.wrong(t))
}

// A crossing back is verified with A and B in their changed places.
func TestVerifyTurned(t *testing.T) {
	w := found(t, 3, "heavy tails", 0.02, startup, cheap)
	require.Equal(t, []string{"shm-fresh", "gob-reused"}, []string{w.c.A, w.c.B})
	_, v := w.verify(t)
	require.Equal(t, confirmed, v.Verdict)
}

func TestVerifyOpen(t *testing.T) {
	w := found(t, 1, "normal", 0.01, cheap, startup)
	v, err := Verify(context.Background(), w.c, w.pair, VerifyOptions{Afford: func(bytes int64, _ int) bool { return bytes < w.c.High }})
	require.NoError(t, err)
	require.Regexp(t, "^not confirmed: there was no time for 8 rounds at ", v.Verdict)
	w.b = cheap // the same time, where they were to differ
	v, err = Verify(context.Background(), w.c, w.pair, VerifyOptions{})
	require.NoError(t, err)
	require.Regexp(t, `^not confirmed: gob-reused and shm-fresh are not separated at .* by 64 rounds$`, v.Verdict)
	v, err = Verify(context.Background(), Crossover{Always: "a"}, w.pair, VerifyOptions{})
	require.NoError(t, err)
	require.Equal(t, "not confirmed: measured afresh at 0 of 3 sizes", v.Verdict)
}

// The sizes of a check are new to all fits; where there is no time for the largest, a smaller one is taken.
func TestCheckSizes(t *testing.T) {
	w := found(t, 1, "normal", 0.01, cheap, startup)
	w.models[1].Fitted = append(w.models[1].Fitted, 1<<25) // one strategy at a larger size than the other
	var measured []int64
	measure := func(ctx context.Context, names []string, bytes int64, rounds int) (map[string][]float64, error) {
		require.Len(t, names, len(w.models)-b2i(bytes > 1<<24))
		measured = append(measured, bytes)
		return w.all(ctx, names, bytes, rounds)
	}
	check := func(o CheckOptions) Checked {
		measured = nil
		checked, err := CheckModels(context.Background(), w.models, measure, o)
		require.NoError(t, err)
		require.Len(t, checked.Measured, len(measured))
		return checked
	}
	checked := check(CheckOptions{Near: 4000})
	require.Equal(t, []int64{724, 2896, 23726566}, measured)
	require.Len(t, checked.Checks, 5)
	check(CheckOptions{Near: 4000, Afford: func(_ []string, bytes int64, _ int) bool { return bytes < 1<<20 }})
	require.Equal(t, []int64{724, 2896, 741455}, measured)
	require.Empty(t, check(CheckOptions{Afford: func([]string, int64, int) bool { return false }}).Checks)
	require.Empty(t, check(CheckOptions{Possible: func(x int64) int64 {
		return w.models[0].Fitted[min(len(w.models[0].Fitted)-1, max(0, int(math.Log2(float64(x)))-9))]
	}}).Checks, "there are no sizes that the fit has not seen")
	few, err := Fit([]Point{{"gob-reused", 100, 5}, {"gob-reused", 1000, 5}}, nil)
	require.NoError(t, err)
	w.models = []Model{few}
	check(CheckOptions{})
	require.Len(t, measured, unseen, "several in one gap")
}

func TestVerifyDegenerate(t *testing.T) {
	w := found(t, 1, "normal", 0.01, cheap, startup)
	for name, o := range map[string]VerifyOptions{
		"backwards": {Min: 2, Max: 1}, "negative": {Min: -1}, "no pairs": {Fresh: []Rounds{{1, []float64{1}, nil}}},
	} {
		_, err := Verify(context.Background(), Crossover{A: "x", B: "y"}, w.pair, o)
		require.Error(t, err, name)
	}
	for _, tolerance := range []float64{0.5, math.NaN()} {
		_, err := CheckModels(context.Background(), w.models, w.all, CheckOptions{Tolerance: tolerance})
		require.Error(t, err)
	}
	checked, err := CheckModels(context.Background(), []Model{{}}, w.all, CheckOptions{})
	require.NoError(t, err)
	require.Empty(t, checked.Checks)
	broken := errors.New("broken")
	fails := func(context.Context, int64, int) (a, b []float64, err error) { return nil, nil, broken }
	allFail := func(context.Context, []string, int64, int) (map[string][]float64, error) { return nil, broken }
	_, err = Verify(context.Background(), w.c, fails, VerifyOptions{})
	require.ErrorIs(t, err, broken)
	_, err = CheckModels(context.Background(), w.models, allFail, CheckOptions{})
	require.ErrorIs(t, err, broken)
	for _, ns := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		_, err = CheckModels(context.Background(), w.models, func(context.Context, []string, int64, int) (map[string][]float64, error) {
			return map[string][]float64{"gob-reused": {ns}}, nil
		}, CheckOptions{})
		require.ErrorContains(t, err, "expected a positive, finite time")
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(broken)
	_, err = Verify(ctx, w.c, w.pair, VerifyOptions{})
	require.ErrorIs(t, err, broken)
	_, err = CheckModels(ctx, w.models, w.all, CheckOptions{})
	require.ErrorIs(t, err, broken)
}

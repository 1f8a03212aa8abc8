package cost

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func pointsOf(f func(int64) float64, sizes ...int64) (points []Point) {
	for _, s := range sizes {
		points = append(points, Point{"s", s, f(s)})
	}
	return points
}

func TestFitExact(t *testing.T) {
	m, err := Fit(pointsOf(linear(1000, 0.5), powers(64, 1<<22, 4)...), nil)
	require.NoError(t, err)
	require.Len(t, m.Pieces, 1)
	require.InDelta(t, 1000, m.Pieces[0].FixedNS, 1e-6)
	require.InDelta(t, 0.5, m.Pieces[0].NSPerByte, 1e-9)
	require.Equal(t, powers(64, 1<<22, 4), m.Fitted)
	p := m.Predict(3000)
	require.InDelta(t, 2500, p.NS, 1e-6)
	require.InDelta(t, 2500/leastBand, p.LowNS, 1e-6)
	require.InDelta(t, 2500*leastBand, p.HighNS, 1e-6)
	for _, outside := range []int64{0, 63, 1<<22 + 1, math.MaxInt64} {
		p = m.Predict(outside)
		require.InEpsilon(t, 1000+0.5*float64(outside), p.NS, 1e-9)
		require.Equal(t, Prediction{p.NS, 0, math.Inf(1)}, p, "beyond what was measured nothing is known")
	}
}

// A time that doesn't depend on the size, and one without a fixed part.
func TestFitOfOneTerm(t *testing.T) {
	m, err := Fit(pointsOf(linear(400, 0), powers(64, 1<<20, 4)...), nil)
	require.NoError(t, err)
	require.Equal(t, []Piece{{64, 1 << 20, m.Pieces[0].FixedNS, 0}}, m.Pieces)
	require.InDelta(t, 400, m.Pieces[0].FixedNS, 1e-9)
	m, err = Fit(pointsOf(linear(0, 0.25), powers(64, 1<<20, 4)...), nil)
	require.NoError(t, err)
	require.Equal(t, []Piece{{64, 1 << 20, 0, 0.25}}, m.Pieces)
}

// One size that is ten times too slow, at any place, turns neither the line nor makes a piece.
func TestFitResistsAnOutlier(t *testing.T) {
	sizes := powers(64, 1<<24, 4)
	for i := range sizes {
		points := pointsOf(linear(1000, 0.5), sizes...)
		points[i].NS *= 10
		m, err := Fit(points, nil)
		require.NoError(t, err)
		require.Len(t, m.Pieces, 1, "outlier at %d", sizes[i])
		require.InDelta(t, 1000, m.Pieces[0].FixedNS, 1, "outlier at %d", sizes[i])
		require.InDelta(t, 0.5, m.Pieces[0].NSPerByte, 1e-3, "outlier at %d", sizes[i])
	}
}

// stepped costs 0.1 ns per byte up to 1 MiB, and 0.4 ns for each of all bytes beyond.
func stepped(bytes int64) float64 {
	if bytes > 1<<20 {
		return 2000 + 0.4*float64(bytes)
	}
	return 2000 + 0.1*float64(bytes)
}

func TestFitFindsWhereACacheEnds(t *testing.T) {
	for name, breaks := range map[string][]int64{"found": nil, "given": {1 << 20}, "given, and others that are not among the sizes": {1, 1 << 20, 1 << 40}} {
		m, err := Fit(pointsOf(stepped, powers(1<<10, 1<<26, 4)...), breaks)
		require.NoError(t, err, name)
		require.Len(t, m.Pieces, 2, name)
		require.Equal(t, []int64{1 << 20, 1 << 22}, []int64{m.Pieces[0].ToBytes, m.Pieces[1].FromBytes}, name)
		require.InDelta(t, 0.4, m.Pieces[1].NSPerByte, 1e-9, name)
		inGap := m.Predict(3 << 19) // 1.5 MiB: either piece may hold
		require.InDelta(t, (2000+0.1*(3<<19))/m.Band, inGap.LowNS, 1e-6, name)
		require.InDelta(t, (2000+0.4*(3<<19))*m.Band, inGap.HighNS, 1e-6, name)
		require.InDelta(t, 2000+0.1*(3<<19), inGap.NS, 1e-6, name)
		require.InDelta(t, 2000+0.4*(3<<20), m.Predict(3<<20).NS, 1e-6, name)
	}
	m, err := Fit(pointsOf(stepped, powers(1<<10, 1<<26, 4)...), []int64{})
	require.NoError(t, err)
	require.Len(t, m.Pieces, 1, "no cache, as was said")
}

// Beside a size through which the line doesn't go the bounds reach as far as it; elsewhere an outlier doesn't widen them.
func TestPredictBesideAnOutlier(t *testing.T) {
	points := pointsOf(linear(1000, 0.5), powers(64, 1<<24, 4)...)
	points[4].NS *= 10 // 16 KiB
	m, err := Fit(points, nil)
	require.NoError(t, err)
	require.InDelta(t, leastBand, m.Band, 0.01)
	for bytes, band := range map[int64]float64{100: m.Band, 1 << 12: m.Band, 5000: 10, 1 << 14: 10, 60000: 10, 1 << 16: 10, 1<<16 + 1: m.Band, 1 << 20: m.Band} {
		p := m.Predict(bytes)
		require.InEpsilon(t, band, p.HighNS/p.NS, 0.01, "%d", bytes)
		require.InEpsilon(t, band, p.NS/p.LowNS, 0.01, "%d", bytes)
	}
}

func TestFitDegenerate(t *testing.T) {
	for name, points := range map[string][]Point{
		"nothing": nil, "zero": {{"s", 1, 0}}, "negative": {{"s", 1, -1}}, "NaN": {{"s", 1, 5}, {"s", 2, math.NaN()}},
		"infinite": {{"s", 1, math.Inf(1)}}, "negative size": {{"s", -1, 1}}, "two strategies": {{"s", 1, 1}, {"t", 1, 1}},
	} {
		_, err := Fit(points, nil)
		require.Error(t, err, name)
	}
	one, err := Fit([]Point{{"s", 100, 5}, {"s", 100, 7}, {"s", 100, 50}}, nil)
	require.NoError(t, err)
	require.Equal(t, Model{"s", []Piece{{100, 100, one.Pieces[0].FixedNS, 0}}, 0, []int64{100}, []float64{0}}, one)
	require.InDelta(t, 7, one.Predict(100).NS, 1e-9, "the median of equal sizes")
	require.True(t, math.IsInf(one.Predict(100).HighNS, 1), "no band is known")
	two, err := Fit([]Point{{"s", 0, 5}, {"s", 100, 105}}, nil)
	require.NoError(t, err)
	require.Equal(t, []Piece{{0, 100, 5, 1}}, two.Pieces)
	falling, err := Fit([]Point{{"s", 1, 9}, {"s", 100, 5}}, nil)
	require.NoError(t, err)
	require.Zero(t, falling.Pieces[0].NSPerByte, "larger is not cheaper")
	require.True(t, math.IsNaN(Model{}.Predict(1).NS))
}

func TestFitAll(t *testing.T) {
	points := append(pointsOf(linear(10, 1), 1, 2, 3), Point{"a", 5, 5})
	models, err := FitAll(append(points, Point{"s", 4, 14}), nil)
	require.NoError(t, err)
	require.Equal(t, []string{"s", "a"}, []string{models[0].Strategy, models[1].Strategy})
	require.Len(t, models[0].Fitted, 4)
	_, err = FitAll([]Point{{"s", 1, 0}}, nil)
	require.Error(t, err)
}

// Under noise, a line stays one piece and two stay two, and the band covers most of what is measured afresh.
func TestFitOfNoise(t *testing.T) {
	runs := soak(10, 40)
	for _, kind := range kinds {
		one, two, covered := 0, 0, 0
		for seed := range runs {
			w := newWorld(uint64(seed), kind, 0.02, linear(4000, 1.2), stepped)
			a, b, _ := w.points(powers(1<<10, 1<<26, 2), 6)
			line, err := Fit(a, nil)
			require.NoError(t, err)
			step, err := Fit(b, nil)
			require.NoError(t, err)
			one += b2i(len(line.Pieces) == 1)
			two += b2i(len(step.Pieces) >= 2)
			fresh, _, _ := w.points([]int64{3 << 18}, 6)
			p := line.Predict(3 << 18)
			slack := 1.0
			if kind == "drifting" { // the machine has drifted since: what the tolerance of a verification is for
				slack = tolerance
			}
			covered += b2i(p.LowNS/slack <= fresh[0].NS && fresh[0].NS <= p.HighNS*slack)
		}
		t.Logf("%s: a line is one piece in %d of %d runs, a step found in %d, a new median in the band in %d", kind, one, runs, two, covered)
		require.GreaterOrEqual(t, two, atLeast(runs, 0.95), kind)
		require.GreaterOrEqual(t, covered, atLeast(runs, 0.85), kind)
		if kind != "drifting" { // from which it can't tell a piece
			require.GreaterOrEqual(t, one, atLeast(runs, 0.85), kind)
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

package bench

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

type quote struct {
	Name  string
	Price *float64
	Tags  map[string]int
	Rows  [][]float64
	note  string
}

var (
	quotesPayload = NewPayload("test-quotes", func(n int) []quote {
		quotes := make([]quote, n)
		for i := range quotes {
			price := float64(i) // the first points to zero
			quotes[i] = quote{fmt.Sprint("quote ", i), &price, map[string]int{"a": i, "b": -i, fmt.Sprint(i): 1}, [][]float64{{1, 2}, nil, {}}, "unseen"}
		}
		return quotes
	})
	tablePayload = NewPayload("test-table", func(n int) struct {
		ID   []int32
		X, Y []float64
	} {
		var t struct {
			ID   []int32
			X, Y []float64
		}
		for i := range n {
			t.ID, t.X, t.Y = append(t.ID, int32(i)), append(t.X, float64(i)/3), append(t.Y, math.NaN())
		}
		return t
	}).WithFunc(func(t *struct {
		ID   []int32
		X, Y []float64
	}) float64 {
		return t.X[len(t.X)-1] + float64(len(t.Y))
	})
	unsteady = NewPayload("test-unsteady", func() func(n int) []int {
		calls := 0
		return func(n int) []int { calls++; x := make([]int, n); x[0] = calls; return x }
	}())
	panicking = NewPayload("test-panicking", func(n int) []int { panic("no data") })
	nils      = NewPayload("test-nils", func(n int) any {
		if n > 1 {
			return (*int)(nil)
		}
		return nil
	})
	constant  = NewPayload("test-constant", func(int) []int { return make([]int, 4) })
	shrinking = NewPayload("test-shrinking", func(n int) []int { return make([]int, max(1, 8-n)) })
	steps     = NewPayload("test-steps", func(n int) []int64 { return make([]int64, 1000*(n/10+1)) })
)

// carry hands an instance over by every strategy that fits, and returns what each drops.
func carry(t *testing.T, p *payload, bytes int64, touch Touch) (drops map[string]string, left []LeftOut) {
	t.Helper()
	held(t)
	in, err := p.instance(bytes, touch)
	require.NoError(t, err)
	names, left := p.split(Strategies())
	s, err := open(background(), p, names, touch, 2*in.bytes)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.close(background(), t.Failed())) })
	drops = map[string]string{}
	for _, c := range s.carriers {
		m, err := newSampler(c, in)
		require.NoError(t, err, c.strategy())
		for range 3 {
			in.restamp()
			_, err = m.burst(background(), 3)
			require.NoError(t, err, c.strategy())
		}
		require.Zero(t, m.wrong, "%s: wrong answers", c.strategy())
		drops[c.strategy()] = c.drops()
		require.NoError(t, c.unload())
	}
	return drops, left
}

func TestStrategiesOfPayloads(t *testing.T) {
	for _, touch := range []Touch{TouchSum, TouchEnds} {
		t.Run("quotes, touch="+string(touch), func(t *testing.T) {
			drops, left := carry(t, quotesPayload.p, 20_000, touch)
			for _, name := range []string{gobFresh, gobReused} {
				require.Contains(t, drops[name], "gob drops", name)
			}
			require.Empty(t, drops[valued])
			require.Empty(t, drops[sharedOnce])
			var names []string
			for _, l := range left {
				require.NotEmpty(t, l.Why)
				names = append(names, l.Strategy)
			}
			require.Equal(t, []string{pipeRaw, unixRaw, arrowPipe, shmFresh, shmCopy, shmResident}, names)
		})
	}
	for _, touch := range touches {
		t.Run("table, touch="+string(touch), func(t *testing.T) {
			drops, left := carry(t, tablePayload.p, 20_000, touch)
			require.Len(t, left, 2, "raw pipes and sockets")
			for name, what := range drops {
				require.Empty(t, what, name)
			}
		})
	}
}

func TestStrategiesOfEveryDType(t *testing.T) {
	for d := shm.Bool; d.Valid(); d++ {
		t.Run(d.String(), func(t *testing.T) {
			_, left := carry(t, arrays[d], 48<<10, TouchSum)
			if d == shm.Bool || d == shm.Complex64 || d == shm.Complex128 {
				require.Len(t, left, 1)
				require.Equal(t, arrowPipe, left[0].Strategy)
			} else {
				require.Empty(t, left)
			}
		})
	}
}

func TestBadPayloads(t *testing.T) {
	for want, p := range map[string]*payload{
		"returns different values for n = ":       unsteady.p,
		"the generator panics for n = 1: no data": panicking.p,
		"returns a nil any for n = 1":             nils.p,
		"every value takes 32B, not 1KiB":         constant.p,
		"its values don't grow":                   shrinking.p,
	} {
		_, err := p.instance(1<<10, TouchSum)
		require.ErrorContains(t, err, want)
	}
	_, err := floats.instance(0, TouchSum)
	require.ErrorContains(t, err, "a size of 0 bytes")
	_, err = floats.instance(4, TouchSum)
	require.ErrorContains(t, err, "the smallest value")
	_, err = quotesPayload.p.instance(1<<10, TouchFunc)
	require.ErrorContains(t, err, "has no function")

	for want, register := range map[string]func(){
		"registered twice":               func() { NewPayload("test-table", func(int) int { return 0 }) },
		"no generator":                   func() { NewPayload[int]("test-none", nil) },
		"expected a name of letters":     func() { NewPayload("a b", func(int) int { return 0 }) },
		"cannot cross":                   func() { NewPayload("test-chan", func(int) struct{ C []chan int } { panic(0) }) },
		"is in shared memory already":    func() { NewPayload("test-view", func(int) shm.View[int8] { panic(0) }) },
		".C[]: a value of type chan int": func() { NewPayload("test-path", func(int) struct{ C []chan int } { panic(0) }) },
	} {
		require.PanicsWithValue(t, mentions(want), func() {
			defer func() {
				why := fmt.Sprint(recover())
				require.Contains(t, why, want)
				panic(mentions(want))
			}()
			register()
		})
	}
}

type mentions string

func TestFind(t *testing.T) {
	f, err := steps.p.find(20_000)
	require.NoError(t, err)
	require.Equal(t, int64(16_000), f.bytes)
	require.Equal(t, 19, f.n)
	require.Contains(t, f.note, "n = 20 24000B")
	for _, bytes := range []int64{8, 64, 1 << 20} {
		f, err := floats.find(bytes)
		require.NoError(t, err)
		require.Equal(t, bytes, f.bytes)
		require.Empty(t, f.note)
	}
}

func TestChecksums(t *testing.T) {
	type all struct {
		X []float64
		M map[string][]byte
		S string
		P *int
	}
	zero := 0
	values := []all{
		{}, {X: []float64{}}, {X: []float64{0}}, {X: []float64{math.Copysign(0, -1)}}, {X: []float64{1, 2}}, {X: []float64{2, 1}},
		{X: []float64{math.NaN()}}, {X: []float64{math.Float64frombits(0x7ff8000000000002)}}, {X: []float64{5e-324}},
		{M: map[string][]byte{}}, {M: map[string][]byte{"a": nil}}, {M: map[string][]byte{"a": {}}}, {M: map[string][]byte{"b": nil}},
		{S: "\xff"}, {S: "\x00"}, {P: &zero},
	}
	visit, err := visitorOf(reflect.TypeFor[all](), "all")
	require.NoError(t, err)
	touch := toucher{visit: visit}
	var sums []uint64
	for i := range values {
		h, err := touch.of(&values[i], TouchSum)
		require.NoError(t, err)
		require.NotContains(t, sums, h, "%d: %+v", i, values[i])
		sums = append(sums, h)
	}
	many := func(from, to, step int) all {
		m := map[string][]byte{}
		for i := from; i != to; i += step {
			m[strings.Repeat("k", i)] = []byte{byte(i)}
		}
		return all{M: m}
	}
	a, b := many(0, 100, 1), many(99, -1, -1)
	one, err := touch.of(&a, TouchSum)
	require.NoError(t, err)
	two, err := touch.of(&b, TouchSum)
	require.NoError(t, err)
	require.Equal(t, one, two, "the order of a map")

	type ring struct{ Next *ring }
	r := &ring{}
	r.Next = r
	visit, err = visitorOf(reflect.TypeFor[ring](), "ring")
	require.NoError(t, err)
	_, err = (&toucher{visit: visit}).of(r, TouchSum)
	require.ErrorContains(t, err, "contains itself")
	require.True(t, slices.IsSorted(defaultSizes))
}

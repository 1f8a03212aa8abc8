package bench

import (
	"encoding/gob"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A shape is held by interfaces; circle is registered with gob, square is not.
type shape interface{ Area() float64 }

type circle struct{ R float64 }

func (c circle) Area() float64 { return c.R * c.R }

type square struct{ A float64 }

func (s square) Area() float64 { return s.A * s.A }

func init() { gob.Register(circle{}) }

type panicky struct{ x []byte }

func (p panicky) GobEncode() ([]byte, error) { panic("no bytes today") }
func (p *panicky) GobDecode(b []byte) error  { p.x = b; return nil }

type signed struct {
	X  float64
	C  complex64
	In struct{ Y float32 }
	Xs []float64
}

var (
	negative = math.Copysign(0, -1)

	oneBuffer = NewPayload("test-one-buffer", func() func(n int) []float64 {
		kept := make([]float64, 1<<20) // returned each time, with another content
		return func(n int) []float64 { kept[0] = rand.Float64(); return kept[:n] }
	}())
	nilSlices  = NewPayload("test-nil-slices", func(int) []float64 { return nil })
	nilMaps    = NewPayload("test-nil-maps", func(int) map[string]int { return nil })
	nilTyped   = NewPayload("test-nil-typed", func(int) error { return (*errnoLike)(nil) })
	nilPointer = NewPayload("test-nil-pointer", func(int) *[]int { return nil })
	overflows  = NewPayload("test-overflows", func(n int) []byte {
		if n > 1 {
			n = math.MaxInt / 2
		}
		return make([]byte, n*4)
	})
	circles  = NewPayload("test-circles", func(n int) []shape { return repeatShape(circle{1.5}, n) })
	squares  = NewPayload("test-squares", func(n int) []shape { return repeatShape(square{1.5}, n) })
	panickys = NewPayload("test-panickys", func(n int) []panicky { return make([]panicky, n) })
	fixed    = NewPayload("test-fixed", func(int) circle { return circle{2} })
	signs    = NewPayload("test-signs", func(n int) signed {
		s := signed{X: negative, C: complex(0, float32(negative)), Xs: make([]float64, n)}
		s.In.Y = float32(negative)
		s.Xs[0], s.Xs[n-1] = math.NaN(), negative
		return s
	})
	notNumbers = NewPayload("test-nan", func(n int) []float64 { return make([]float64, n) }).
			WithFunc(func(v *[]float64) float64 { return math.Log(-1 - float64(len(*v))) })
	undecided = NewPayload("test-undecided", func(n int) []float64 { return make([]float64, n) }).
			WithFunc(func(*[]float64) float64 { return rand.Float64() })
	faulty = NewPayload("test-faulty", func(n int) []float64 { return make([]float64, n) }).
		WithFunc(func(v *[]float64) float64 { return (*v)[len(*v)] })
)

type errnoLike struct{ Errno int }

func (e *errnoLike) Error() string { return "" }

func repeatShape(s shape, n int) []shape {
	all := make([]shape, n)
	for i := range all {
		all[i] = s
	}
	return all
}

func TestPayloadsThatAreRefused(t *testing.T) {
	for want, c := range map[string]struct {
		p     *payload
		bytes int64
		touch Touch
	}{
		"returns different values for n = ":            {oneBuffer.p, 1 << 10, TouchSum},
		`payload "test-nil-slices": every value takes`: {nilSlices.p, 1 << 10, TouchSum},
		`payload "test-nil-maps": every value takes`:   {nilMaps.p, 1 << 10, TouchSum},
		"returns a nil *bench.errnoLike for n = 1":     {nilTyped.p, 1 << 10, TouchSum},
		"returns a nil *[]int for n = 1":               {nilPointer.p, 1 << 10, TouchSum},
		"the generator panics for n = ":                {overflows.p, 1 << 10, TouchSum},
		"bench.square":                                 {squares.p, 1 << 10, TouchSum},
		"no bytes today":                               {panickys.p, 1 << 10, TouchSum},
		"every value takes 8B, not 64B":                {fixed.p, 64, TouchSum},
		"WithFunc answers":                             {undecided.p, 1 << 10, TouchFunc},
		"index out of range":                           {faulty.p, 1 << 10, TouchFunc},
		"a size of -9223372036854775808 bytes":         {circles.p, math.MinInt64, TouchSum},
	} {
		_, err := c.p.instance(c.bytes, c.touch)
		require.ErrorContains(t, err, want)
		require.NotErrorIs(t, err, ErrAnswer)
	}
	err := (&Options{Sizes: []int64{64, 0}, payload: circles.p}).Validate()
	require.ErrorContains(t, err, "size 0")
	_, err = circles.Measure(background(), &Options{Sizes: []int64{math.MaxInt64}})
	require.ErrorContains(t, err, "choose smaller sizes")
	_, err = fixed.Measure(background(), &Options{Strategies: []string{inProcess}})
	require.ErrorContains(t, err, "every value takes 8B, not 64B: it has no other size")
	defer func() { require.Contains(t, fmt.Sprint(recover()), ".Mu") }()
	NewPayload("test-mutex", func(int) struct{ Mu sync.Mutex } { panic(0) })
}

func TestPayloadsOfStrangeValues(t *testing.T) {
	for _, c := range []struct {
		p     *payload
		bytes int64
		touch Touch
		drops string // by gob
	}{
		{circles.p, 4 << 10, TouchSum, ""},
		{fixed.p, 8, TouchSum, ""},
		{notNumbers.p, 64, TouchFunc, ""},
		{signs.p, 8 << 10, TouchSum, "gob drops the sign of bench.signed.X, which is −0"},
	} {
		t.Run(c.p.name, func(t *testing.T) {
			drops, _ := carry(t, c.p, c.bytes, c.touch)
			for name, what := range drops {
				if isGob(name) {
					require.Equal(t, c.drops, what)
				} else {
					require.Empty(t, what, name)
				}
			}
		})
	}
}

// What gob drops is named, also what it drops of a part that is not looked at one by one.
func TestGobDrops(t *testing.T) {
	zero := 0
	type hidden struct {
		A int
		b int
	}
	type pointers struct{ P, Q *int }
	type slices struct{ S, U []int }
	for want, v := range map[string]any{
		"gob drops v.b, which is unexported":           &hidden{1, 2},
		"gob drops that v.Q points to a zero value":    &pointers{nil, &zero},
		"gob drops whether v.U is empty or nil":        &slices{nil, []int{}},
		"gob drops whether v is empty or nil":          &[]int{},
		"gob drops the sign of v[0].In.Y, which is −0": &[]signed{{In: struct{ Y float32 }{float32(negative)}}},
		"gob drops the sign of v[0][1].R, which is −0": &[][2]circle{{{1}, {negative}}},
		"gob drops the sign of v.C, which is −0":       &signed{C: complex(float32(negative), 0)},
	} {
		require.False(t, gobKeeps(reflect.ValueOf(v).Elem(), false), want)
		got, err := throughGob(v)
		require.NoError(t, err, want)
		require.Equal(t, want, gobDrops(reflect.ValueOf(v).Elem(), reflect.ValueOf(got).Elem(), "v", mostLeafDepth))
	}
	for _, v := range []any{&[]float64{negative}, &[3]float64{negative}, &[][2]float64{{negative}}, &hidden{A: 1}, &slices{nil, []int{0}}} {
		got, err := throughGob(v)
		require.NoError(t, err)
		require.Empty(t, gobDrops(reflect.ValueOf(v).Elem(), reflect.ValueOf(got).Elem(), "v", mostLeafDepth), "%v", v)
	}
}

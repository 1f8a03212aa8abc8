package codectest

import (
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func is(a, b any) error { return Same(reflect.ValueOf(a), reflect.ValueOf(b)) }

// What is not the same is told apart, and what an assignment keeps is the same.
func TestSame(t *testing.T) {
	nan, other := math.NaN(), math.Float64frombits(math.Float64bits(math.NaN())^1)
	one, alike, two := 1, 1, 2
	at := time.Now()
	var deep Hidden
	deep.inner.on = true
	for name, pair := range map[string][2]any{
		"NaN payloads":      {nan, other},
		"signed zero":       {0.0, math.Copysign(0, -1)},
		"signed zero key":   {map[float64]int{0: 1}, map[float64]int{math.Copysign(0, -1): 1}},
		"NaN keys":          {map[float64]int{nan: 1}, map[float64]int{other: 1}},
		"NaN key's element": {map[float64]int{nan: 1}, map[float64]int{nan: 2}},
		"nil slice":         {[]int(nil), []int{}},
		"nil map":           {map[string]int(nil), map[string]int{}},
		"nil pointer":       {(*int)(nil), &one},
		"pointer":           {&one, &two},
		"interface":         {[]any{1}, []any{1.0}},
		"no interface":      {[]any{1}, []any{nil}},
		"unexported":        {Hidden{count: 1}, Hidden{count: 2}},
		"unexported slice":  {Hidden{scores: []float64{}}, Hidden{}},
		"inner":             {deep, Hidden{}},
		"promoted method":   {Embedding{At: 1}, Embedding{At: 2}},
		"marshalled":        {Coded{kept: 1}, Coded{kept: 2}},
		"time":              {at, at.Add(1)},
		"text":              {"a\xff", "a\xfe"},
		"length":            {[]int{1}, []int{1, 2}},
		"missing key":       {map[string]int{"a": 1}, map[string]int{"b": 1}},
		"type":              {int32(1), int64(1)},
		"next":              {List{next: &List{Item: "a"}}, List{next: &List{Item: "b"}}},
	} {
		require.Error(t, is(pair[0], pair[1]), name)
		require.NoError(t, is(pair[0], pair[0]), name)
	}
	require.NoError(t, is(&one, &alike))
	require.NoError(t, is(at, at.Round(0)))
	require.NoError(t, is(Coded{kept: 1, scratch: []byte{1}}, Coded{kept: 1}))
	require.NoError(t, is(Binary{"k", &one}, Binary{"k", nil}))
	require.NoError(t, is(map[float64]int{nan: 1}, map[float64]int{nan: 1}))
}

// The generator makes the same from the same seed, and reaches what it is for.
func TestGenerator(t *testing.T) {
	kinds := map[reflect.Kind]bool{}
	for seed := range uint64(300) {
		make := func() reflect.Value {
			r := rand.New(rand.NewPCG(seed, 1))
			return (&Generator{Rand: r}).Value(Type(r, 4))
		}
		v := make()
		require.NoError(t, Same(v, make()))
		kinds[v.Kind()] = true
	}
	for _, k := range []reflect.Kind{reflect.Struct, reflect.Slice, reflect.Map, reflect.Pointer, reflect.Array, reflect.String} {
		require.True(t, kinds[k], k)
	}
	for _, typ := range Named() {
		g := Generator{Rand: rand.New(rand.NewPCG(1, 2))}
		changed := 0
		first := g.Value(typ)
		for range 50 {
			if Same(first, g.Value(typ)) != nil {
				changed++
			}
		}
		require.True(t, changed > 0 || typ == reflect.TypeFor[Empty](), typ)
	}
}

package codec

import (
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

type mixed struct {
	A bool
	B string
	C [2]struct {
		D int16
		E float64
		F bool
	}
	G complex64
	H struct{}
	I [3]byte
}

type scaled struct {
	X     shm.View[float64]
	Scale float64
}

type both struct {
	M mixed
	S scaled
}

// A ref of an array without elements, and what binds it.
func emptyRef(_ string, b shm.Binder) (shm.WireRef, error)  { return shm.WireRef{Ref: b.Ref()}, nil }
func bindEmpty(_ string, b shm.Binder, w shm.WireRef) error { return shm.BindTo(b, nil, w.Ref, nil) }

func argumentPlan[T any](t testing.TB) *Plan {
	p, err := CompileArgument(reflect.TypeFor[T]())
	require.NoError(t, err)
	return p
}

func TestCompileRefuses(t *testing.T) {
	type nested struct{ M map[string]struct{ F func() } }
	type locked struct{ Locks []*struct{ sync.Mutex } }
	type clock time.Time
	for want, typ := range map[string]reflect.Type{
		"codec.locked.Locks[].Mutex: sync.Mutex has unexported state":                 reflect.TypeFor[locked](),
		"codec.nested.M[].F: a value of type func() has no meaning":                   reflect.TypeFor[nested](),
		"[0]: a value of type chan int has no meaning in another process":             reflect.TypeFor[[2]chan int](),
		"[key]: a value of type chan int":                                             reflect.TypeFor[map[chan int]int](),
		"a value of type uintptr has no meaning":                                      reflect.TypeFor[uintptr](),
		"a value of type unsafe.Pointer has no meaning":                               reflect.PointerTo(reflect.TypeOf(reflect.Value.UnsafePointer).Out(0)),
		"atomic.Int64 has unexported state":                                           reflect.TypeFor[struct{ atomic.Int64 }](),
		"codec.clock.loc: time.Location has unexported state":                         reflect.TypeFor[clock](),
		"}.Binder: a View, Array, Carrier or Shared is not possible in an interface":  reflect.TypeFor[struct{ shm.Binder }](),
		"}.Carrier: a View, Array, Carrier or Shared is not possible in an interface": reflect.TypeFor[struct{ shm.Carrier }](),
		".M: a View, Array, Carrier or Shared is not possible in a map: map[string][]codec.ownedColumns; make it a slice": reflect.TypeFor[struct {
			M map[string][]ownedColumns
		}](),
		"named.span": reflect.TypeFor[named](),
	} {
		_, err := CompileArgument(typ)
		require.ErrorContains(t, err, want)
		_, err = CompileResult(typ)
		require.ErrorContains(t, err, want)
	}
	_, err := CompileResult(reflect.TypeFor[outputs]())
	require.ErrorContains(t, err, "outputs.Array: shm.Array[float64] is not possible in a result, which the caller has to release: make it a shm.OwnedView")
	_, err = CompileResult(reflect.TypeFor[scaled]())
	require.ErrorContains(t, err, "scaled.X: shm.View[float64] is not possible in a result")
	_, err = CompileArgument(reflect.TypeFor[[2]shm.OwnedView[int8]]())
	require.ErrorContains(t, err, "[0]: shm.OwnedView[int8] is not possible in an argument, which the function only borrows: make it a shm.View")
	_, err = CompileResult(reflect.TypeFor[columns]())
	require.ErrorContains(t, err, "columns is a shm.Carrier without a Release method")
}

type ownedColumns struct{ columns }

func (*ownedColumns) Release() {}

type outputs struct {
	shm.Array[float64]
	From int
}

type named shm.View[int8] // has no method but those of what it embeds

func TestPlanMergesFields(t *testing.T) {
	p := argumentPlan[struct {
		A, B int64
		C    [3]float32
		D    int32
	}](t)
	require.Len(t, p.root.ops, 1)
	p = argumentPlan[struct {
		A int8
		B int64 // seven bytes of padding before it never cross
	}](t)
	require.Equal(t, 9, p.root.minBytes)
	require.False(t, p.Arrays())
	require.True(t, argumentPlan[struct{}](t).Empty())
}

// Every View and Array crosses as one, by its exact type: a struct that embeds one is a
// struct, whatever is beside it and whatever it overrides.
func TestArrayTypes(t *testing.T) {
	kinds := map[shm.DType]int{}
	for typ, array := range arrayTypes {
		b := reflect.New(typ).Interface().(shm.Binder)
		require.Equal(t, shm.KindOf(b), array.kind)
		require.Same(t, b, array.at(reflect.ValueOf(b).UnsafePointer()))
		kinds[b.Ref().DType]++
	}
	for d := shm.Bool; d.Valid(); d++ {
		require.Equal(t, 3, kinds[d], d)
	}
	for typ, want := range map[reflect.Type]string{
		reflect.TypeFor[struct{ shm.View[float64] }](): "argument.View",
		reflect.TypeFor[overrides]():                   "overrides.View",
		reflect.TypeFor[struct {
			overrides
			N int
		}](): "argument.overrides.View",
	} {
		p, err := CompileArgument(typ)
		require.NoError(t, err)
		require.Equal(t, opArray, p.root.ops[0].kind)
		require.Equal(t, want, p.root.ops[0].field)
	}
}

type overrides struct{ shm.View[float64] }

func (*overrides) Pin() (shm.Pin, error) { panic("not asked") }

// What arrives is what was sent, and no other number of bytes is a value.
func TestRoundTrip(t *testing.T) {
	p := argumentPlan[both](t)
	in := both{M: mixed{A: true, B: "b\x00ü", G: 1 + 2i, I: [3]byte{1, 2, 3}}, S: scaled{Scale: 4}}
	in.M.C[1].D, in.M.C[1].E, in.M.C[1].F = -5, 6.5, true
	b, _, err := Encode(p, []byte("before"), &in, emptyRef)
	require.NoError(t, err)
	require.Equal(t, "before", string(b[:6]))
	var out both
	require.NoError(t, Decode(p, b[6:], &out, bindEmpty))
	require.Equal(t, in.M, out.M)
	require.Equal(t, in.S.Scale, out.S.Scale)
	for n := range b[6:] {
		require.ErrorIs(t, Decode(p, b[6:6+n], &out, bindEmpty), wire.ErrMalformed)
	}
	require.ErrorIs(t, Decode(p, append(b[6:], 0), &out, bindEmpty), wire.ErrMalformed)
	require.ErrorIs(t, Decode(p, b[6:], &out, nil), wire.ErrMalformed, "a View where there is none")
}

func TestEncodeErrors(t *testing.T) {
	dst := []byte("before")
	long := strings.Repeat("x", 3000)
	for _, s := range [][2]string{{long + long, ""}, {long, long}} {
		p := argumentPlan[[2]string](t)
		b, large, err := Encode(p, dst, &s, nil)
		require.NoError(t, err)
		require.Equal(t, dst, b)
		block := make([]byte, large.Bytes())
		require.NoError(t, large.Write(block, nil))
		var out [2]string
		require.NoError(t, Decode(p, block, &out, nil))
		require.Equal(t, s, out)
	}
	no := errors.New("no")
	for _, f := range []RefFunc{func(string, shm.Binder) (w shm.WireRef, err error) { return w, no }, func(string, shm.Binder) (shm.WireRef, error) { panic("no") }} {
		b, _, err := EncodeRecovered(argumentPlan[scaled](t), dst, &scaled{}, f)
		require.ErrorContains(t, err, "no")
		require.Equal(t, dst, b)
	}
	var v scaled
	b, _, err := Encode(argumentPlan[scaled](t), nil, &v, emptyRef)
	require.NoError(t, err)
	require.ErrorIs(t, Decode(argumentPlan[scaled](t), b, &v, func(field string, _ shm.Binder, _ shm.WireRef) error {
		require.Equal(t, "scaled.X", field)
		return no
	}), no)
}

func TestCodecAllocatesNothing(t *testing.T) {
	p := argumentPlan[scaled](t)
	var in, out scaled
	buf := make([]byte, 0, wire.MaxInline)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b, _, err := Encode(p, buf, &in, emptyRef)
		if err != nil || Decode(p, b, &out, bindEmpty) != nil {
			t.Fatal(err)
		}
	}))
}

// Whatever bytes come, decoding ends with a value or an error.
func FuzzDecode(f *testing.F) {
	p := argumentPlan[both](f)
	f.Add(make([]byte, p.root.minBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v both
		if Decode(p, b, &v, bindEmpty) != nil {
			return
		}
		again, _, err := Encode(p, nil, &v, emptyRef)
		require.NoError(t, err)
		require.Len(t, again, len(b))
	})
}

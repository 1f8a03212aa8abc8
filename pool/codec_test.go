package pool

import (
	"reflect"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

func TestRegistrationRefuses(t *testing.T) {
	type nested struct{ M map[string]int }
	for want, f := range map[string]func(){
		"float64":                      func() { newEntry("x", func(*Task, *float64) (int, error) { return 0, nil }) },
		".M: a value of type map":      func() { newEntry("x", func(*Task, nested) (int, error) { return 0, nil }) },
		"[0]: a value of type []uint8": func() { newEntry("x", func(*Task, [2][]byte) (int, error) { return 0, nil }) },
		"type interface {}":            func() { newEntry("x", func(*Task, any) (int, error) { return 0, nil }) },
		"type uintptr":                 func() { newEntry("x", func(*Task, uintptr) (int, error) { return 0, nil }) },
		"not possible in a result":     func() { newEntry("x", func(*Task, int) (shm.Array[int8], error) { return shm.Array[int8]{}, nil }) },
		"takes 8000 bytes":             func() { newEntry("x", func(*Task, [1000]int64) (int, error) { return 0, nil }) },
		"more than 1024":               func() { newEntry("x", func(*Task, [2000]bool) (int, error) { return 0, nil }) },
		"is registered twice":          func() { register(newEntry("test.echo", func(*Task, int) (int, error) { return 0, nil })) },
	} {
		func() {
			defer func() {
				v := recover()
				require.NotNil(t, v, want)
				require.Contains(t, v, want)
			}()
			f()
		}()
	}
}

func TestCodecMergesFields(t *testing.T) {
	c, err := compile(reflect.TypeFor[struct {
		A, B int64
		C    [3]float32
		D    int32
	}](), true)
	require.NoError(t, err)
	require.Len(t, c.ops, 1)
	c, err = compile(reflect.TypeFor[struct {
		A int8
		B int64 // seven bytes of padding before it never cross
	}](), true)
	require.NoError(t, err)
	require.Equal(t, 9, c.minBytes)
}

func TestCodecAllocatesNothing(t *testing.T) {
	c, err := compile(reflect.TypeFor[normIn](), true)
	require.NoError(t, err)
	var in, out normIn
	buf := make([]byte, 0, wire.MaxInline)
	wire := func(_ string, b shm.Binder) (shm.WireRef, error) { return shm.WireRef{Ref: b.Ref()}, nil }
	bind := func(_ string, b shm.Binder, w shm.WireRef) error { return b.Bind(nil, w.Ref, nil) }
	require.Zero(t, testing.AllocsPerRun(100, func() {
		b, err := encode(c, buf, &in, wire)
		if err != nil || decode(c, b, &out, bind) != nil {
			t.Fatal(err)
		}
	}))
}

// Whatever bytes come, decoding ends with a value or an error.
func FuzzDecode(f *testing.F) {
	c, err := compile(reflect.TypeFor[struct {
		O odd
		V normIn
	}](), true)
	require.NoError(f, err)
	f.Add(make([]byte, c.minBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		var v struct {
			O odd
			V normIn
		}
		bind := func(_ string, b shm.Binder, w shm.WireRef) error { return b.Bind(nil, w.Ref, nil) }
		if decode(c, b, &v, bind) != nil {
			return
		}
		again, err := encode(c, nil, &v, func(_ string, b shm.Binder) (shm.WireRef, error) { return shm.WireRef{Ref: b.Ref()}, nil })
		require.NoError(t, err)
		require.Len(t, again, len(b))
	})
}

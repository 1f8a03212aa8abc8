package pool

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// A frameOf is named columns, any number of them: floats and flags.
type frameOf[F, B any] struct {
	names  []string
	floats []F
	flags  []B
}

type (
	frame      = frameOf[shm.View[float64], shm.View[bool]]
	ownedFrame = frameOf[shm.OwnedView[float64], shm.OwnedView[bool]]
)

func (f *frameOf[F, B]) Carry(meta []byte) ([]byte, []shm.Binder, error) {
	var arrays []shm.Binder
	for i := range f.floats {
		arrays = append(arrays, any(&f.floats[i]).(shm.Binder))
	}
	for i := range f.flags {
		arrays = append(arrays, any(&f.flags[i]).(shm.Binder))
	}
	meta = binary.LittleEndian.AppendUint16(meta, uint16(len(f.floats)))
	return append(meta, strings.Join(f.names, "\x00")...), arrays, nil
}

func (f *frameOf[F, B]) Receive(meta []byte, arrays []shm.Binder) error {
	if len(meta) < 2 {
		return fmt.Errorf("%d bytes", len(meta))
	}
	n := int(binary.LittleEndian.Uint16(meta))
	for i, a := range arrays[:n] { // panics where a stranger says so: the caller holds against it
		v, ok := any(a).(*F)
		if !ok {
			return fmt.Errorf("column %d is %v, expected float64", i, a.Ref().DType)
		}
		f.floats = append(f.floats, *v)
	}
	for _, a := range arrays[n:] {
		v, ok := any(a).(*B)
		if !ok {
			return errors.New("a flag is none")
		}
		f.flags = append(f.flags, *v)
	}
	f.names = strings.Split(string(meta[2:]), "\x00")
	return nil
}

func (f *frameOf[F, B]) Release() {
	for _, v := range f.floats {
		any(v).(interface{ Release() }).Release()
	}
	for _, v := range f.flags {
		any(v).(interface{ Release() }).Release()
	}
}

type frameIn struct {
	F     frame
	Scale float64
	How   string
}

type frameOut struct {
	F ownedFrame
	N int
}

// scaleFrame multiplies the columns and adds a flag for each: is it positive?
var scaleFrame = Func("test.scaleFrame", func(t *Task, in frameIn) (out frameOut, err error) {
	out.N = len(in.F.floats)
	for _, v := range in.F.floats {
		a, err := shm.Make[float64](t.Arena(), v.Len())
		if err != nil {
			return out, err
		}
		b, err := shm.Make[bool](t.Arena(), v.Len())
		if err != nil {
			return out, err
		}
		for i, x := range v.Data() {
			a.Data()[i], b.Data()[i] = x*in.Scale, x > 0
		}
		out.F.floats, out.F.flags = append(out.F.floats, a.Own()), append(out.F.flags, b.Own())
	}
	out.F.names = in.F.names
	switch in.How {
	case "store":
		in.F.floats[1].Data()[2] = 1
	case "foreign":
		out.F.floats[0] = in.F.floats[0].Own()
	}
	return out, nil
})

func newFrame(t testing.TB, p *Pool, columns, rows int) (f frame) {
	for c := range columns {
		a, err := shm.Make[float64](p.Arena(), rows)
		require.NoError(t, err)
		t.Cleanup(a.Release)
		for i := range rows {
			a.Data()[i] = float64(c*rows + i)
		}
		f.floats = append(f.floats, a.View())
		f.names = append(f.names, fmt.Sprint("c", c))
	}
	return f
}

func TestCarrier(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		for _, columns := range []int{0, 1, 40} {
			in := frameIn{F: newFrame(t, p, columns, 100), Scale: 2}
			f, err := scaleFrame.Submit(background(), p, in)
			require.NoError(t, err)
			out, err := f.Wait(background())
			require.NoError(t, err)
			require.Equal(t, columns, out.N)
			require.Len(t, out.F.floats, columns)
			require.Len(t, out.F.flags, columns)
			for c := range columns {
				require.Equal(t, fmt.Sprint("c", c), out.F.names[c])
				for i, x := range out.F.floats[c].Data() {
					require.Equal(t, 2*float64(c*100+i), x)
					require.Equal(t, x > 0, out.F.flags[c].Data()[i])
				}
			}
			out.F.Release()
		}
		in := frameIn{F: newFrame(t, p, 2, 10), Scale: 1}
		for how, want := range map[string]string{
			"store":   "store to element 2 of input frameIn.F[1]",
			"foreign": "panic: shm: Own of a task's argument",
		} {
			if how == "store" && opts.Isolation == Goroutine {
				continue // mapped writable there
			}
			in.How = how
			f, err := scaleFrame.Submit(background(), p, in)
			require.NoError(t, err)
			_, err = f.Wait(background())
			require.ErrorContains(t, err, want)
		}
		f, err := scaleFrame.Submit(background(), p, frameIn{F: newFrame(t, p, 200, 1)}) // in a side block, both ways
		require.NoError(t, err)
		out, err := f.Wait(background())
		require.NoError(t, err)
		out.F.Release()
	})
}

type (
	stubborn    struct{ frame }
	stubbornOut struct{ ownedFrame }
)

func (s *stubborn) Receive(meta []byte, arrays []shm.Binder) error    { return refuse(meta) }
func (s *stubbornOut) Receive(meta []byte, arrays []shm.Binder) error { return refuse(meta) }

func refuse(meta []byte) error {
	switch string(meta[2:]) {
	case "panic":
		panic("no")
	case "goexit":
		runtime.Goexit()
	}
	return errors.New("not mine")
}

type wrongCarrier struct {
	a    shm.Array[float64]
	none int
}

func (w *wrongCarrier) Carry(meta []byte) ([]byte, []shm.Binder, error) {
	return meta, []shm.Binder{[]shm.Binder{&w.a, (*shm.View[int8])(nil), nil}[w.none]}, nil
}
func (*wrongCarrier) Receive([]byte, []shm.Binder) error { return nil }

var (
	refuseIn  = Func("test.refuseIn", func(*Task, stubborn) (int, error) { return 1, nil })
	refuseOut = Func("test.refuseOut", func(t *Task, name string) (s stubbornOut, err error) {
		a, err := shm.Make[float64](t.Arena(), 1<<16)
		s.names, s.floats = []string{name}, []shm.OwnedView[float64]{a.Own()}
		return s, err
	})
	carryWrong = Func("test.carryWrong", func(*Task, wrongCarrier) (int, error) { return 1, nil })
)

// What a Carrier does not receive is the task's error, whether it says so or
// panics, and all that came with it is freed. Nobody dies of it.
func TestCarrierRefuses(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	for _, name := range []string{"panic", "error", "goexit"} {
		want := map[string]string{"panic": "panic: no", "error": "not mine", "goexit": "runtime.Goexit"}[name]
		f, err := refuseIn.Submit(background(), p, stubborn{frame{names: []string{name}}})
		require.NoError(t, err)
		_, err = f.Wait(background())
		require.ErrorContains(t, err, want)
		for range 100 {
			g, err := refuseOut.Submit(background(), p, name)
			require.NoError(t, err)
			_, err = g.Wait(background())
			var own *TaskError
			require.ErrorAs(t, err, &own)
			require.ErrorContains(t, err, want)
		}
	}
	require.Empty(t, p.Stats().Deaths)
	require.Less(t, p.Stats().Memory.ResultBytesMapped, int64(16<<20))
	for none := range 3 {
		_, err := carryWrong.Submit(background(), p, wrongCarrier{none: none})
		require.ErrorContains(t, err, "a Carrier's arrays are here each a shm.View")
	}
}

package pool

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// Structs that embed what crosses by its methods, beside other fields.
type (
	scaled struct {
		shm.View[float64]
		Scale float64
	}
	deeper struct { // promoted twice
		scaled
		Name string
	}
	single    struct{ shm.View[float64] }
	twice     struct{ single } // no field anywhere but the View
	scaledOut struct {
		shm.OwnedView[float64]
		Scale float64
	}
	deeperOut struct {
		scaledOut
		Name string
	}
	singleOut struct{ shm.OwnedView[float64] }
	twiceOut  struct{ singleOut }
	outputs   struct {
		shm.Array[float64]
		From int
	}
	labelled struct {
		frame
		Label string
	}
	labelledOut struct {
		ownedFrame
		Label string
	}
	// overriding overrides what it embeds beside another field: it is walked all the same.
	overriding struct {
		frame
		Label string
	}
	// naming names the field, and its own methods count.
	naming      = namingOf[frame, *frame]
	namingOut   = namingOf[ownedFrame, *ownedFrame]
	halfCarry   struct{ N int }
	halfReceive struct{ M int }
	halves      struct { // a Carrier by two fields, each of which has one method
		halfCarry
		halfReceive
		Label string
	}
	celsius struct{ V float64 } // has MarshalBinary
	kelvin  struct{ V float64 } // has GobEncode
	weather struct {
		celsius
		kelvin
		Place string
	}
)

type namingOf[F any, P interface {
	*F
	shm.Carrier
	Release()
}] struct {
	f     F
	Label string
}

func (o *overriding) Carry(meta []byte) ([]byte, []shm.Binder, error) { return meta, nil, nil }
func (o *overriding) Receive([]byte, []shm.Binder) error              { return nil }

func (n *namingOf[F, P]) Carry(meta []byte) ([]byte, []shm.Binder, error) {
	meta, arrays, err := P(&n.f).Carry(append(meta, byte(len(n.Label))))
	return append(meta, n.Label...), arrays, err
}

func (n *namingOf[F, P]) Receive(meta []byte, arrays []shm.Binder) error {
	at := len(meta) - int(meta[0])
	n.Label = string(meta[at:]) + ", by its own methods"
	return P(&n.f).Receive(meta[1:at], arrays)
}

func (n *namingOf[F, P]) Release() { P(&n.f).Release() }

func (halfCarry) Carry(meta []byte) ([]byte, []shm.Binder, error) { return meta, nil, nil }
func (halfReceive) Receive([]byte, []shm.Binder) error            { return nil }

func (c celsius) MarshalBinary() ([]byte, error)  { return []byte{byte(c.V)}, nil }
func (c *celsius) UnmarshalBinary(b []byte) error { c.V = float64(b[0]); return nil }
func (k kelvin) GobEncode() ([]byte, error)       { return []byte{byte(k.V)}, nil }
func (k *kelvin) GobDecode(b []byte) error        { k.V = float64(b[0]); return nil }

type embeddedIn struct {
	A  scaled
	B  deeper
	C  [2]scaled
	D  single
	E  twice
	O  outputs
	L  labelled
	V  overriding
	N  naming
	H  halves
	W  weather
	W2 [2]weather
}

type embeddedOut struct {
	A scaledOut
	B [2]deeperOut
	C twiceOut
	L labelledOut
	N namingOut
	W weather
}

// embedded fails where something of its arguments has not arrived.
var embedded = Func("test.embedded", func(t *Task, in embeddedIn) (out embeddedOut, err error) {
	one := func(f *frame) string { return fmt.Sprint(f.names, f.floats[0].Data()) }
	got := fmt.Sprintln(
		in.A.Data(), in.A.Scale, in.B.Data(), in.B.Scale, in.B.Name, in.C[0].Data(), in.C[0].Scale, in.C[1].Data(), in.C[1].Scale,
		in.D.Data(), in.E.Data(), in.O.From, one(&in.L.frame), in.L.Label, one(&in.V.frame), in.V.Label, one(&in.N.f), in.N.Label, in.H, in.W, in.W2)
	want := "[1 2 3] 2 [1 2 3] 3 b [1 2 3] 4 [1 2 3] 5 " +
		"[1 2 3] [1 2 3] 7 [x] [1 2 3] l [y] [1 2 3] v [z] [1 2 3] n, by its own methods {{6} {7} h} {{1} {2} w} [{{3} {4} w0} {{5} {6} w1}]\n"
	if got != want {
		return out, fmt.Errorf("got  %s\nwant %s", got, want)
	}
	in.O.Data()[0] = float64(in.O.From)
	v, err := shm.PutCopy(t.Arena(), []float64{4, 5})
	if err != nil {
		return out, err
	}
	out.A = scaledOut{v.Own(), 8}
	out.B = [2]deeperOut{{scaledOut{v.Own(), 9}, "b0"}, {scaledOut{v.Own(), 10}, "b1"}}
	out.C = twiceOut{singleOut{v.Own()}}
	out.L = labelledOut{ownedFrame{names: []string{"p"}, floats: []shm.OwnedView[float64]{v.Own()}}, "lo"}
	out.N = namingOut{ownedFrame{names: []string{"q"}, floats: []shm.OwnedView[float64]{v.Own()}}, "no"}
	out.W = weather{celsius{11}, kelvin{12}, "wo"}
	return out, nil
})

// A struct that embeds a View, a Carrier or a type with a marshaller crosses with all
// its fields, wherever it stands.
func TestEmbedding(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		a, err := shm.PutCopy(p.Arena(), []float64{1, 2, 3})
		require.NoError(t, err)
		defer a.Release()
		o, err := shm.Make[float64](p.Outputs(), 1)
		require.NoError(t, err)
		defer o.Release()
		v := a.View()
		f := func(name string) frame { return frame{names: []string{name}, floats: []shm.View[float64]{v}} }
		fut, err := embedded.Submit(background(), p, embeddedIn{
			A: scaled{v, 2}, B: deeper{scaled{v, 3}, "b"}, C: [2]scaled{{v, 4}, {v, 5}}, D: single{v}, E: twice{single{v}}, O: outputs{o, 7},
			L: labelled{f("x"), "l"}, V: overriding{f("y"), "v"}, N: naming{f("z"), "n"}, H: halves{halfCarry{6}, halfReceive{7}, "h"},
			W: weather{celsius{1}, kelvin{2}, "w"}, W2: [2]weather{{celsius{3}, kelvin{4}, "w0"}, {celsius{5}, kelvin{6}, "w1"}},
		})
		require.NoError(t, err)
		out, err := fut.Wait(background())
		require.NoError(t, err)
		require.Equal(t, 7.0, o.Data()[0])
		require.Equal(t, []any{8.0, 9.0, "b0", 10.0, "b1", "lo", "no, by its own methods", weather{celsius{11}, kelvin{12}, "wo"}},
			[]any{out.A.Scale, out.B[0].Scale, out.B[0].Name, out.B[1].Scale, out.B[1].Name, out.L.Label, out.N.Label, out.W})
		for _, v := range []shm.OwnedView[float64]{out.A.OwnedView, out.B[0].OwnedView, out.B[1].OwnedView, out.C.OwnedView, out.L.floats[0], out.N.f.floats[0]} {
			require.Equal(t, []float64{4, 5}, v.Data())
			v.Release()
		}
	})
}

package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// columns are any number of arrays and a name, which may say what their methods do.
type columns struct {
	name   string
	floats []shm.View[float64]
	flags  []shm.View[bool]
	other  []shm.Binder
}

func (c *columns) Carry(meta []byte) ([]byte, []shm.Binder, error) {
	if err := behave(c.name, "Carry"); err != nil {
		return nil, nil, err
	}
	arrays := c.other
	for i := range c.floats {
		arrays = append(arrays, &c.floats[i])
	}
	for i := range c.flags {
		arrays = append(arrays, &c.flags[i])
	}
	return append(append(meta, byte(len(c.floats))), c.name...), arrays, nil
}

func (c *columns) Receive(meta []byte, arrays []shm.Binder) error {
	c.name = string(meta[1:]) // panics where a stranger says so
	if err := behave(c.name, "Receive"); err != nil {
		return err
	}
	for _, a := range arrays[:meta[0]] {
		v, ok := a.(*shm.View[float64])
		if !ok {
			return fmt.Errorf("%T", a)
		}
		c.floats = append(c.floats, *v)
	}
	for _, a := range arrays[meta[0]:] {
		v, ok := a.(*shm.View[bool])
		if !ok {
			return fmt.Errorf("%T", a)
		}
		c.flags = append(c.flags, *v)
	}
	return nil
}

func behave(name, method string) error {
	switch name {
	case method + " panics":
		panic("no")
	case method + " ends":
		runtime.Goexit()
	case method + " fails":
		return errors.New("not mine")
	}
	return nil
}

type carrierIn struct {
	C columns
	N int
}

func TestCarrierRoundTrip(t *testing.T) {
	p := argumentPlan[carrierIn](t)
	require.True(t, p.Arrays())
	in := carrierIn{columns{name: "n", floats: make([]shm.View[float64], 2), flags: make([]shm.View[bool], 1)}, 7}
	var asked []string
	b, _, err := Encode(p, nil, &in, func(field string, b shm.Binder) (shm.WireRef, error) {
		asked = append(asked, field)
		return emptyRef(field, b)
	})
	require.NoError(t, err)
	require.Equal(t, []string{"carrierIn.C[0]", "carrierIn.C[1]", "carrierIn.C[2]"}, asked)
	var out carrierIn
	require.NoError(t, Decode(p, b, &out, bindEmpty))
	require.Equal(t, []any{"n", 2, 1, 7}, []any{out.C.name, len(out.C.floats), len(out.C.flags), out.N})
	for n := range b {
		require.Error(t, Decode(p, b[:n], new(carrierIn), bindEmpty))
	}
	require.ErrorIs(t, Decode(p, b, new(carrierIn), nil), wire.ErrMalformed)
}

// What a Carrier's methods do is an error and ends nobody. What comes after one that did
// not receive is decoded all the same.
func TestCarrierRefuses(t *testing.T) {
	p := argumentPlan[carrierIn](t)
	for how, want := range map[string]string{"panics": "panic: no", "ends": "runtime.Goexit", "fails": "not mine"} {
		_, _, err := Encode(p, nil, &carrierIn{C: columns{name: "Carry " + how}}, emptyRef)
		require.ErrorContains(t, err, "carrierIn.C: ")
		require.ErrorContains(t, err, want)
		b, _, err := Encode(p, nil, &carrierIn{C: columns{name: "Receive " + how, floats: make([]shm.View[float64], 1)}, N: 8}, emptyRef)
		require.NoError(t, err)
		var out carrierIn
		err = Decode(p, b, &out, bindEmpty)
		require.ErrorIs(t, err, ErrNotReceived)
		require.ErrorContains(t, err, want)
		require.Equal(t, 8, out.N)
	}
	for _, other := range []shm.Binder{new(shm.Array[float64]), new(shm.OwnedView[int8]), (*shm.View[int8])(nil), nil} {
		_, _, err := Encode(p, nil, &carrierIn{C: columns{other: []shm.Binder{other}}}, emptyRef)
		require.ErrorContains(t, err, "a Carrier's arrays are here each a shm.View")
	}
	_, _, err := Encode(p, nil, &carrierIn{C: columns{flags: make([]shm.View[bool], shm.MaxCarried+1)}}, emptyRef)
	require.ErrorIs(t, err, ErrTooLarge)
	_, large, err := Encode(p, nil, &carrierIn{C: columns{flags: make([]shm.View[bool], 200)}}, nil)
	require.NoError(t, err)
	block := make([]byte, large.Bytes())
	require.NoError(t, large.Write(block, emptyRef))
	var out carrierIn
	require.NoError(t, Decode(p, block, &out, bindEmpty))
	require.Len(t, out.C.flags, 200)
}

type (
	wrapped  struct{ columns }
	labelled struct {
		columns
		Label string
	}
	rewrapped struct{ labelled }
	overruled struct { // overrides what it embeds beside another field
		columns
		Label string
	}
	naming struct {
		c     columns
		Label string
	}
	carryOnly   struct{ N int }
	receiveOnly struct{ N int }
	halves      struct { // a Carrier by two fields, each of which has one method
		carryOnly
		receiveOnly
	}
)

func (o *overruled) Carry(meta []byte) ([]byte, []shm.Binder, error) { return o.columns.Carry(meta) }
func (o *overruled) Receive(meta []byte, a []shm.Binder) error       { return o.columns.Receive(meta, a) }
func (n *naming) Carry(meta []byte) ([]byte, []shm.Binder, error)    { return n.c.Carry(meta) }
func (n *naming) Receive(meta []byte, a []shm.Binder) error          { return n.c.Receive(meta, a) }
func (carryOnly) Carry(meta []byte) ([]byte, []shm.Binder, error)    { return meta, nil, nil }
func (receiveOnly) Receive([]byte, []shm.Binder) error               { return nil }

// A Carrier is one by its own methods.
func TestIsCarrier(t *testing.T) {
	for typ, want := range map[reflect.Type]bool{
		reflect.TypeFor[columns]():     true,
		reflect.TypeFor[wrapped]():     true, // there is nothing but the columns
		reflect.TypeFor[naming]():      true,
		reflect.TypeFor[*columns]():    false,
		reflect.TypeFor[shm.Carrier](): false,
		reflect.TypeFor[labelled]():    false,
		reflect.TypeFor[rewrapped]():   false,
		reflect.TypeFor[overruled]():   false,
		reflect.TypeFor[carryOnly]():   false,
		reflect.TypeFor[halves]():      false,
	} {
		require.Equal(t, want, isCarrier(typ), typ)
	}
	p := argumentPlan[rewrapped](t)
	require.Equal(t, "rewrapped.labelled.columns", p.root.ops[0].field)
}

// Whatever bytes come, a Carrier is received or refused.
func FuzzCarrier(f *testing.F) {
	p := argumentPlan[columns](f)
	seed, _, err := Encode(p, nil, &columns{floats: make([]shm.View[float64], 2), flags: make([]shm.View[bool], 1)}, emptyRef)
	require.NoError(f, err)
	f.Add(seed)
	f.Add(binary.LittleEndian.AppendUint64(nil, 1<<63))
	f.Fuzz(func(t *testing.T, b []byte) {
		var got columns
		if err := Decode(p, b, &got, bindEmpty); err != nil {
			return
		}
		again, large, err := Encode(p, nil, &got, emptyRef)
		if err != nil { // its name asks for it
			require.NotEmpty(t, got.name)
			return
		}
		if large == nil {
			require.Len(t, again, len(b))
		}
	})
}

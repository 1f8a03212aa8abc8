package codec

import (
	"encoding/gob"
	"errors"
	"fmt"
	"math/big"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// own has methods that may do what they like.
type own struct {
	How   string
	Calls *int // not encoded
}

func (o own) GobEncode() ([]byte, error) {
	if o.Calls != nil {
		*o.Calls++
	}
	return []byte(o.How), behave(o.How, "GobEncode")
}

func (o *own) GobDecode(b []byte) error {
	o.How = string(b)
	return behave(o.How, "GobDecode")
}

type ownBinary struct{ a, b uint8 }

func (o *ownBinary) MarshalBinary() ([]byte, error) { return []byte{o.b, o.a}, nil }
func (o *ownBinary) UnmarshalBinary(b []byte) error {
	if len(b) != 2 {
		return errors.New("two bytes")
	}
	o.b, o.a = b[0], b[1]
	return nil
}

type event struct { // embeds a type with methods beside another field
	time.Time
	Name string
}

func TestMarshallers(t *testing.T) {
	now := time.Now()
	got := sent(t, event{now, "now"})
	require.True(t, got.Equal(now))
	require.Equal(t, "now", got.Name)
	big1, _ := new(big.Int).SetString(strings.Repeat("123456789", 50), 10)
	u, err := url.Parse("https://u:p@example.com/a?b=c#d")
	require.NoError(t, err)
	arrives(t, struct {
		B *big.Int
		N *big.Int
		U url.URL
		A netip.Addr
		P []netip.Prefix
	}{big1, nil, *u, netip.MustParseAddr("fe80::1%eth0"), []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}})
	calls := 0
	many := map[string][]own{"a": {{"1", &calls}, {"2", &calls}}, "bb": nil, "ccc": {{strings.Repeat("3", 5000), &calls}}}
	p := argumentPlan[map[string][]own](t)
	_, large, err := Encode(p, nil, &many, nil)
	require.NoError(t, err)
	block := make([]byte, large.Bytes())
	require.NoError(t, large.Write(block, nil))
	require.NoError(t, large.Write(block, nil))
	require.Equal(t, 3, calls, "each is called once")
	arrived := new(map[string][]own)
	require.NoError(t, Decode(p, block, arrived, nil))
	require.Equal(t, "2", (*arrived)["a"][1].How)
	require.Len(t, (*arrived)["ccc"][0].How, 5000)
	arrives(t, []ownBinary{{1, 2}, {3, 4}})
	arrives(t, [20]*ownBinary{7: {5, 6}})
	gob.Register(basics{})
	gob.Register(&tree{})
	arrives(t, map[string]any{"b": basics{S: "x", I: 7}, "n": nil, "t": &tree{Value: 4}, "i": int8(3)})
	arrives(t, struct{ E fmt.Stringer }{nil})
}

// What a value's own methods do is an error by the field's path and ends nobody.
func TestMarshallersRefuse(t *testing.T) {
	type in struct {
		Owns []own
		N    int
	}
	p := argumentPlan[in](t)
	for how, want := range map[string]string{"panics": "panic: no", "ends": "runtime.Goexit", "fails": "not mine"} {
		_, _, err := Encode(p, nil, &in{Owns: []own{{}, {How: "GobEncode " + how}}}, nil)
		require.ErrorContains(t, err, "in.Owns[1]: ")
		require.ErrorContains(t, err, want)
		b, _, err := Encode(p, nil, &in{Owns: []own{{}, {How: "GobDecode " + how}}, N: 8}, nil)
		require.NoError(t, err)
		got := new(in)
		err = Decode(p, b, got, nil)
		require.ErrorIs(t, err, ErrNotReceived)
		require.ErrorContains(t, err, "in.Owns[1]: ")
		require.ErrorContains(t, err, want)
		require.Equal(t, 8, got.N, "the rest is decoded all the same")
	}
	_, _, err := Encode(argumentPlan[map[string]any](t), nil, &map[string]any{"a": in{}}, nil)
	require.ErrorContains(t, err, "argument[…]: gob: type not registered for interface: codec.in")
	for _, holds := range []any{make(chan int), func() {}, shm.View[int8]{}} {
		gob.Register(holds)
		_, _, err = Encode(argumentPlan[[]any](t), nil, &[]any{1, holds}, nil)
		require.ErrorContains(t, err, "argument[1]: gob")
	}
	d := time.Date(20000, 1, 1, 0, 0, 0, 0, time.FixedZone("", 1<<24))
	_, _, err = Encode(argumentPlan[[]time.Time](t), nil, &[]time.Time{{}, d}, nil)
	require.ErrorContains(t, err, "argument[1]: Time.")
	// An interface gets what is no value of it.
	b, _, err := Encode(argumentPlan[any](t), nil, new(any(5)), nil)
	require.NoError(t, err)
	require.ErrorContains(t, Decode(argumentPlan[fmt.Stringer](t), b, new(fmt.Stringer), nil), "argument: a int came for a fmt.Stringer")
}

// lying returns other bytes each time, changes those that it has returned, and keeps and
// changes those that it is given.
type lying struct{ State *lyingState }

type lyingState struct {
	calls int
	gave  []byte
}

func (l lying) MarshalBinary() ([]byte, error) {
	clear(l.State.gave)
	l.State.calls++
	l.State.gave = []byte(strings.Repeat("x", 3000*l.State.calls))
	return l.State.gave, nil
}

var lyingKept [][]byte

func (l *lying) UnmarshalBinary(b []byte) error {
	l.State = &lyingState{calls: strings.Count(string(b), "x")}
	for _, kept := range append(lyingKept, b) {
		clear(kept)
	}
	lyingKept = append(lyingKept, b)
	return nil
}

// What a lying method returned first is what arrives, whole, and all else is as it was.
func TestMarshallerLies(t *testing.T) {
	type in struct {
		A, B lying
		M    map[string]lying
		S    string
	}
	p := argumentPlan[in](t)
	v := in{lying{new(lyingState)}, lying{new(lyingState)}, map[string]lying{"a": {new(lyingState)}, "b": {new(lyingState)}}, "after"}
	_, large, err := Encode(p, nil, &v, nil)
	require.NoError(t, err)
	block := make([]byte, large.Bytes())
	require.NoError(t, large.Write(block, nil))
	before := slices.Clone(block)
	got := new(in)
	require.NoError(t, Decode(p, block, got, nil))
	require.Equal(t, before, block, "the methods have written to the block")
	for _, l := range []lying{got.A, got.B, got.M["a"], got.M["b"]} {
		require.Equal(t, 3000, l.State.calls)
	}
	require.Equal(t, "after", got.S)
}

// A method that does not return is left behind, and what it does later is not seen.
func TestMarshallerBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := argumentPlan[[]blocking](t)
		free := make(chan struct{})
		started := time.Now()
		_, _, err := Encode(p, nil, &[]blocking{{}, {free}}, nil)
		require.ErrorContains(t, err, "argument[1]: it took longer than 10s")
		b, _, err := Encode(p, nil, &[]blocking{{}}, nil)
		require.NoError(t, err)
		blockDecode = free
		got := new([]blocking)
		err = Decode(p, b, got, nil)
		require.ErrorIs(t, err, ErrNotReceived)
		require.ErrorContains(t, err, "argument[0]: it took longer than 10s")
		require.Equal(t, 2*methodTime, time.Since(started))
		close(free)
		synctest.Wait()
		require.Nil(t, (*got)[0].until)
	})
}

type blocking struct{ until chan struct{} }

var blockDecode chan struct{}

func (b *blocking) MarshalBinary() ([]byte, error) {
	if b.until != nil {
		<-b.until
	}
	return nil, nil
}

func (b *blocking) UnmarshalBinary([]byte) error {
	<-blockDecode
	b.until = blockDecode
	return nil
}

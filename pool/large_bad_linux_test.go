package pool

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/codec"
	"example.com/handoff/pool/internal/codec/codectest"
	"example.com/handoff/shm"
)

type generated struct {
	Seed   uint64
	Named  codectest.ByName
	Tree   codectest.Tree
	Mixed  sharedMixed
	Floats map[string][]float64
	Words  map[string]*string
}

func (g generated) same() error {
	return codectest.Same(reflect.ValueOf(generate[generated](g.Seed).with(g.Seed)), reflect.ValueOf(g))
}

func (g generated) with(seed uint64) generated { g.Seed = seed; return g }

// sameGenerated returns what it was given if that is what the seed gives here.
var sameGenerated = Func("test.sameGenerated", func(t *Task, in generated) (generated, error) { return in, in.same() })

// What arrives by value in a worker, and comes back, is what was sent: NaNs, −0 and denormals
// by their bits, nil apart from empty, strings that are no UTF-8, unexported fields.
func TestByValueEquals(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	n, first := 150, rand.Uint64()
	if os.Getenv("HANDOFF_SOAK") != "" {
		n = 100_000
	}
	largest := 0
	for r, err := range sameGenerated.Map(background(), p, func(yield func(generated) bool) {
		for i := range uint64(n) {
			if !yield(generate[generated](first + i).with(first + i)) {
				return
			}
		}
	}) {
		require.NoError(t, err, "seed %d", first+uint64(r.Index))
		require.NoError(t, r.Value.same(), "seed %d", first+uint64(r.Index))
		l, err := codec.Measure(sameGenerated.e.out, &r.Value)
		require.NoError(t, err)
		largest = max(largest, int(l.Bytes()))
	}
	require.Greater(t, largest, 4096, "none was in a side block")
	idleArenas(t, p)
}

type chained struct{ Next *chained }

var countStrings = Func("test.countStrings", func(t *Task, in []string) ([]string, error) {
	for i, s := range in {
		if s != fmt.Sprint(i) {
			return nil, fmt.Errorf("string %d is %q", i, s)
		}
	}
	return in, nil
})

var depthOf = Func("test.depthOf", func(t *Task, in *chained) (*chained, error) {
	n := 0
	for c := in; c != nil; c = c.Next {
		n++
	}
	if n != codec.MaxDepth {
		return nil, fmt.Errorf("%d deep", n)
	}
	return in, nil
})

var sumBytes = Func("test.sumBytes", func(t *Task, in [][]byte) (int, error) { return len(in), nil })

// Values that are too deep, lead to themselves, or are larger than any arena, are errors of
// Submit that leave nothing behind; what is just within bounds arrives.
func TestByValueBounds(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Arenas: Arenas{Inputs: &shm.ArenaOptions{MaxBytes: 64 << 20}}})
	many := make([]string, 1_000_000)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	back, err := countStrings.Call(background(), p, many)
	require.NoError(t, err)
	require.True(t, slices.Equal(many, back))
	var deep *chained
	for range codec.MaxDepth {
		deep = &chained{deep}
	}
	_, err = depthOf.Call(background(), p, deep)
	require.NoError(t, err)
	before := p.Stats().CopiedIn
	ring := &chained{}
	ring.Next = ring
	for _, in := range []*chained{{deep}, ring} {
		_, err = depthOf.Submit(background(), p, in)
		require.ErrorContains(t, err, "pool: submit test.depthOf: argument.Next.Next")
		require.ErrorContains(t, err, "does the value contain itself?")
	}
	huge, err := unix.Mmap(-1, 0, 5<<30, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE) // never read
	require.NoError(t, err)
	defer unix.Munmap(huge)
	for _, in := range [][][]byte{{huge}, slices.Repeat([][]byte{huge}, 1<<20)} { // 5 GiB and 5 PiB
		_, err = sumBytes.Submit(background(), p, in)
		require.ErrorIs(t, err, ErrTooLarge)
	}
	_, err = sumBytes.Submit(background(), p, [][]byte{huge[:1<<20]}) // it faults
	require.ErrorContains(t, err, "panic: runtime error: invalid memory address")
	require.Equal(t, before, p.Stats().CopiedIn)
	idleArenas(t, p)
}

// unruly has methods that do what it says.
type unruly struct {
	How string
	Pad int
}

func (u unruly) GobEncode() ([]byte, error) {
	if strings.HasPrefix(u.How, "encode") && (u.How != "encode here" || !isWorkerNow) {
		panic("no: " + u.How)
	}
	return append([]byte(u.How+"|"), make([]byte, u.Pad)...), nil
}

func (u *unruly) GobDecode(b []byte) error {
	how, pad, _ := strings.Cut(string(b), "|")
	u.How, u.Pad = how, len(pad)
	if how == "decode" || how == "decode back" && !isWorkerNow {
		panic("no: " + how)
	}
	return nil
}

var isWorkerNow = isWorker()

var passUnruly = Func("test.passUnruly", func(t *Task, in unruly) (unruly, error) {
	if in.How == "encode back" {
		return unruly{How: "encode", Pad: in.Pad}, nil
	}
	return in, nil
})

// A panic of a value's methods is an error of its task alone, wherever it comes, and leaves
// nothing behind.
func TestByValueUnrulyMethods(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	for _, pad := range []int{0, 100_000} {
		_, err := passUnruly.Submit(background(), p, unruly{"encode here", pad})
		require.ErrorContains(t, err, "pool: submit test.passUnruly: argument: panic: no: encode here")
		var own *TaskError
		_, err = passUnruly.Call(background(), p, unruly{"decode", pad})
		require.ErrorAs(t, err, &own)
		require.ErrorContains(t, err, "arguments: ")
		_, err = passUnruly.Call(background(), p, unruly{"decode back", pad})
		require.ErrorContains(t, err, "pool: result of test.passUnruly: ")
		require.ErrorContains(t, err, "panic: no: decode back")
		require.False(t, errors.As(err, &own))
		out, err := passUnruly.Call(background(), p, unruly{"", pad})
		require.NoError(t, err)
		require.Equal(t, unruly{"", pad}, out)
	}
	idleArenas(t, p)
	require.Empty(t, p.Stats().Deaths)
}

type aliasIn struct {
	X    shm.View[float64]
	Rows [][]float64
	Text string
}

type aliasOut struct {
	Rows, Same, Part [][]float64
	OfView           []float64
	Text             string
}

// alias returns its arguments, twice and in parts, and the memory of a View.
var alias = Func("test.alias", func(t *Task, in aliasIn) (aliasOut, error) {
	in.Rows[0][0]++ // the task's own
	return aliasOut{in.Rows, in.Rows, in.Rows[1:], in.X.Data(), in.Text[1:]}, nil
})

// Results that alias inputs, each other and mapped memory are copies, and the caller's own.
func TestByValueResultsAlias(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		for _, n := range []int{3, 10_000} {
			x, err := shm.PutCopy(p.Arena(), slices.Repeat([]float64{7}, n))
			require.NoError(t, err)
			in := aliasIn{x.View(), [][]float64{slices.Repeat([]float64{1}, n), {2}}, text(1, n)}
			out, err := alias.Call(background(), p, in)
			require.NoError(t, err)
			require.Equal(t, 1.0, in.Rows[0][0])
			x.Data()[0] = 8 // the task is over
			x.Release()
			require.Equal(t, 7.0, out.OfView[0])
			out.OfView[0], out.Rows[0][0], out.Rows[1][0] = 9, 9, 9
			require.Equal(t, [][]float64{append([]float64{2}, in.Rows[0][1:]...), {2}}, out.Same)
			require.Equal(t, [][]float64{{2}}, out.Part)
			require.Equal(t, []float64{1, 2}, []float64{in.Rows[0][0], in.Rows[1][0]})
			require.Equal(t, in.Text[1:], out.Text)
			idleArenas(t, p)
		}
	})
}

package pool

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/codec/codectest"
	"example.com/handoff/shm"
)

type (
	sharedTable struct {
		X      []float64
		Names  []string
		Rows   [][]int32
		ByName map[string][]float64
		Note   string
	}
	sharedIn struct {
		Tables []Shared[sharedTable]
		How    string
		Mark   string
	}
	sharedOut struct {
		Sum   float64
		Made  Shared[sharedTable]
		Again *Shared[sharedTable]
	}
)

func newSharedTable(n int) sharedTable {
	t := sharedTable{X: make([]float64, n), ByName: map[string][]float64{"π": {math.Pi}, "none": nil}, Note: "a\xff"}
	for i := range t.X {
		t.X[i] = float64(i)
	}
	for i := range 100 {
		t.Names = append(t.Names, string(rune('a'+i%26)))
		t.Rows = append(t.Rows, []int32{int32(i), 1})
	}
	return t
}

func (t *sharedTable) sum() (sum float64) {
	for _, x := range t.X {
		sum += x
	}
	for i, row := range t.Rows {
		sum += float64(row[0]) + float64(t.Names[i][0])
	}
	return sum + t.ByName["π"][0]
}

var useShared = Func("test.useShared", func(t *Task, in sharedIn) (out sharedOut, err error) {
	for _, s := range in.Tables {
		got := s.Get()
		out.Sum += got.sum()
		got.ByName["mine"] = got.X // is of this task alone
	}
	switch first := in.Tables[0]; in.How {
	case "store":
		first.Get().X[3] = 1
	case "store to spine":
		first.Get().Rows[1] = nil
	case "store elsewhere":
		done := make(chan struct{})
		go func() { defer close(done); first.Get().X[3] = 1 }()
		<-done
	case "release":
		first.Release()
	case "alias":
		out.Made = first
	case "make", "make and drop":
		made := *first.Get()
		made.Note = "made"
		if out.Made, err = Share(t, made); err != nil {
			return out, err
		}
		if out.Made.Get().Note != "made" {
			return out, errors.New("not what it has made")
		}
		again := out.Made
		if out.Again = &again; in.How == "make and drop" {
			return sharedOut{Sum: out.Sum}, nil
		}
	case "kill once":
		if f, err := os.OpenFile(in.Mark, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			f.Close()
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	}
	return out, nil
})

// One Shared serves many tasks and workers, respawned ones too, and its copy is made once.
func TestShared(t *testing.T) {
	for _, isolation := range []Isolation{Process, Goroutine} {
		p := newPool(t, &Options{Workers: 2, Isolation: isolation})
		table := newSharedTable(5000)
		want := table.sum()
		s, err := Share(p, table)
		require.NoError(t, err)
		require.NoError(t, codectest.Same(reflect.ValueOf(table), reflect.ValueOf(*s.Get())))
		copied := p.Stats().CopiedIn
		require.Positive(t, copied)
		in := sharedIn{Tables: []Shared[sharedTable]{s, {}, s}}
		in.Tables = slices.Delete(in.Tables, 1, 2)
		var futures []Future[sharedOut]
		for range 40 {
			f, err := useShared.Submit(context.Background(), p, in)
			require.NoError(t, err)
			futures = append(futures, f)
		}
		s.Release() // the tasks hold it
		for _, f := range futures {
			out, err := f.Wait(context.Background())
			require.NoError(t, err)
			require.Equal(t, 2*want, out.Sum)
		}
		require.Equal(t, copied, p.Stats().CopiedIn, "it is copied once")
		_, err = useShared.Submit(context.Background(), p, in)
		require.ErrorIs(t, err, shm.ErrReleased)
		require.Zero(t, p.Arena().Stats().Live)
		require.Panics(t, func() { s.Get() })
	}
}

func TestSharedRespawned(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	table := newSharedTable(100)
	s, err := Share(p, table)
	require.NoError(t, err)
	defer s.Release()
	in := sharedIn{Tables: []Shared[sharedTable]{s}, How: "kill once", Mark: t.TempDir() + "/mark"}
	for range 2 {
		out, err := useShared.Call(context.Background(), p, in)
		require.NoError(t, err)
		require.Equal(t, table.sum(), out.Sum)
	}
	require.Len(t, settled(t, p).Deaths, 1)
}

// A store is the task's error on its goroutine, and the worker's end on another.
func TestSharedStores(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Attempts: 1})
	s, err := Share(p, newSharedTable(100))
	require.NoError(t, err)
	defer s.Release()
	call := func(how string) error {
		_, err := useShared.Call(context.Background(), p, sharedIn{Tables: []Shared[sharedTable]{s}, How: how})
		return err
	}
	var own *TaskError
	var death *WorkerExitError
	require.ErrorAs(t, call("store"), &own)
	require.ErrorContains(t, own, "store to shared input sharedIn.Tables[0]: it is read-only")
	require.ErrorAs(t, call("store to spine"), &own)
	require.ErrorContains(t, own, "store to shared input sharedIn.Tables[0]: it is read-only")
	require.ErrorAs(t, call("release"), &own)
	require.ErrorContains(t, own, "Release of a task's argument")
	require.ErrorAs(t, call("alias"), &own)
	require.ErrorContains(t, own, "sharedOut.Made: the array was not made in Task.Arena()")
	require.Empty(t, settled(t, p).Deaths)
	require.ErrorAs(t, call("store elsewhere"), &death)
	require.NoError(t, call(""))
	require.EqualValues(t, 100, len(s.Get().X))
	require.Equal(t, 3.0, s.Get().X[3])
}

// A Shared in a result is the caller's, and an argument of the next task.
func TestSharedResult(t *testing.T) {
	for _, isolation := range []Isolation{Process, Goroutine} {
		p := newPool(t, &Options{Workers: 2, Isolation: isolation})
		table := newSharedTable(1000)
		s, err := Share(p, table)
		require.NoError(t, err)
		for range 3 {
			out, err := useShared.Call(context.Background(), p, sharedIn{Tables: []Shared[sharedTable]{s}, How: "make"})
			require.NoError(t, err)
			want := table
			want.Note = "made"
			for _, got := range []*sharedTable{out.Made.Get(), out.Made.Get(), out.Again.Get()} {
				require.NoError(t, codectest.Same(reflect.ValueOf(want), reflect.ValueOf(*got)))
			}
			next, err := useShared.Call(context.Background(), p, sharedIn{Tables: []Shared[sharedTable]{out.Made, *out.Again}})
			require.NoError(t, err)
			require.Equal(t, 2*table.sum(), next.Sum)
			_, err = useShared.Call(context.Background(), p, sharedIn{Tables: []Shared[sharedTable]{s}, How: "make and drop"})
			require.NoError(t, err)
			out.Made.Release()
			out.Again.Release()
		}
		s.Release()
	}
}

// A full arena is an error and holds nothing; a type that cannot be shared is one too.
func TestShareRefuses(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Arenas: Arenas{Inputs: &shm.ArenaOptions{MaxBytes: 1 << 20, SegmentBytes: 1 << 18}}})
	_, err := Share(p, make([]byte, 4<<20))
	require.ErrorIs(t, err, shm.ErrTooLarge)
	var all []Shared[[]byte]
	for err = nil; err == nil; {
		var s Shared[[]byte]
		if s, err = Share(p, make([]byte, 200<<10)); err == nil {
			all = append(all, s)
		}
	}
	require.ErrorIs(t, err, shm.ErrFull)
	for _, s := range all {
		s.Release()
	}
	require.Zero(t, p.Arena().Stats().Live)
	_, err = Share(p, struct{ C chan int }{})
	require.ErrorContains(t, err, "C: a value of type chan int")
	_, err = Share(p, Shared[int]{})
	require.ErrorContains(t, err, "put a View, Array, Carrier or Shared beside it")
	type loop struct{ Next *loop }
	cyclic := &loop{}
	cyclic.Next = cyclic
	_, err = Share(p, cyclic)
	require.ErrorContains(t, err, "does the value contain itself?")
	require.Zero(t, p.Arena().Stats().Live)
	require.Panics(t, func() {
		Func("test.badShared", func(*Task, struct{ S Shared[chan int] }) (int, error) { return 0, nil })
	})
	require.Equal(t, sharedTable{}, *Shared[sharedTable]{}.Get())
}

type equalIn struct {
	Seed  uint64
	Named Shared[codectest.ByName]
	Tree  Shared[codectest.Tree]
	Mixed Shared[sharedMixed]
}

type sharedMixed struct {
	Q []codectest.Quotes
	E []codectest.Embedding
	G codectest.Generic
	S map[int32]codectest.Stamped
	P []*codectest.Hidden
}

func generate[T any](seed uint64) T {
	g := codectest.Generator{Rand: rand.New(rand.NewPCG(seed, 0))}
	return *g.Value(reflect.TypeFor[T]()).Addr().Interface().(*T)
}

func sameShared[T any](seed uint64, s Shared[T]) error {
	return codectest.Same(reflect.ValueOf(generate[T](seed)), reflect.ValueOf(*s.Get()))
}

var equalShared = Func("test.equalShared", func(t *Task, in equalIn) (out equalIn, err error) {
	if err := errors.Join(sameShared(in.Seed, in.Named), sameShared(in.Seed, in.Tree), sameShared(in.Seed, in.Mixed)); err != nil {
		return out, err
	}
	return shareGenerated(t, in.Seed)
})

func shareGenerated(to Sharer, seed uint64) (in equalIn, err error) {
	in.Seed = seed
	if in.Named, err = Share(to, generate[codectest.ByName](seed)); err == nil {
		if in.Tree, err = Share(to, generate[codectest.Tree](seed)); err == nil {
			in.Mixed, err = Share(to, generate[sharedMixed](seed))
		}
	}
	return in, err
}

// What arrives equals what was shared, both ways.
func TestSharedEquals(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	n := uint64(40)
	if raceEnabled {
		n = 5
	}
	if os.Getenv("HANDOFF_SOAK") != "" {
		n = 100_000 / 3 // there are three values to a seed, in each direction
	}
	for seed := range n {
		in, err := shareGenerated(p, seed)
		require.NoError(t, err)
		for range 2 {
			out, err := equalShared.Call(context.Background(), p, in)
			require.NoError(t, err, seed)
			require.NoError(t, errors.Join(sameShared(seed, out.Named), sameShared(seed, out.Tree), sameShared(seed, out.Mixed)), seed)
			for _, s := range []interface{ Release() }{out.Named, out.Tree, out.Mixed} {
				s.Release()
			}
		}
		for _, s := range []interface{ Release() }{in.Named, in.Tree, in.Mixed} {
			s.Release()
		}
	}
	require.Zero(t, p.Arena().Stats().Live)
}

// scribbleShared returns a block whose bytes it has written over, or not.
var scribbleShared = Func("test.scribbleShared", func(t *Task, at int) (s Shared[sharedTable], err error) {
	if s, err = Share(t, newSharedTable(100)); err == nil && at >= 0 {
		b := s.block.Bytes()
		for i := at; i < len(b); i += 7 {
			b[i] = 0xff
		}
	}
	return s, err
})

// A worker that returns a block with no value in it fails its task, and nothing else.
func TestSharedHostileResult(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	failed := 0
	for at := range 200 {
		s, err := scribbleShared.Call(context.Background(), p, at)
		if err != nil {
			var own *TaskError
			require.ErrorAs(t, err, &own)
			require.ErrorContains(t, err, "result")
			failed++
			continue
		}
		s.Get()
		s.Release()
	}
	require.Positive(t, failed)
	s, err := scribbleShared.Call(context.Background(), p, -1)
	require.NoError(t, err)
	require.Equal(t, newSharedTable(100), *s.Get())
	s.Release()
	require.Empty(t, settled(t, p).Deaths)
}

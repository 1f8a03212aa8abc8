package arrowipc

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

func TestAllocate(t *testing.T) {
	a, _ := newAllocator(t, 0)
	for range 2 { // fresh blocks, then recycled ones
		for _, size := range []int{1, 63, 64, 65, 1000, 4096, 100_000} {
			b := a.Allocate(size)
			require.Len(t, b, size)
			v, ok := a.View(b)
			require.True(t, ok)
			require.Zero(t, v.Ref().Offset%64, "of a segment, which is mapped to whole pages")
			require.Equal(t, make([]byte, cap(b)), b[:cap(b)], "not zeroed, size %d", size)
			for i := range b[:cap(b)] {
				b[:cap(b)][i] = 0xAA
			}
			require.Equal(t, 1, a.Live())
			a.Free(b)
		}
	}
	require.Nil(t, a.Allocate(0))
	a.Free(nil)
	a.Free([]byte{})
	require.Panics(t, func() { a.Allocate(-1) })
	require.Nil(t, a.Err(), "a negative size is no refusal of the arena")
}

func TestReallocate(t *testing.T) {
	a, arena := newAllocator(t, 0)
	b := a.Reallocate(100, nil)
	copy(b, "hello")
	same := a.Reallocate(128, b)
	require.Same(t, &b[0], &same[0], "the block has 128 bytes")
	grown := a.Reallocate(1000, same)
	require.Equal(t, append([]byte("hello"), make([]byte, 995)...), grown)
	require.Equal(t, 1, a.Live())
	require.Equal(t, int64(1024), arena.Stats().Live)

	for i := range grown {
		grown[i] = 1
	}
	cut := a.Reallocate(64, grown)
	require.Same(t, &grown[0], &cut[0], "shrinking copies nothing")
	again := a.Reallocate(200, cut)
	require.Equal(t, append(bytes.Repeat([]byte{1}, 64), make([]byte, 136)...), again, "grown into its own past")

	require.Nil(t, a.Reallocate(0, again[:3]))
	require.Zero(t, a.Live())
	require.Panics(t, func() { a.Reallocate(10, again) }, "freed")
	require.Panics(t, func() { a.Reallocate(-1, a.Allocate(1)) })
	for _, block := range a.blocks {
		a.Free(block.Data())
	}
}

func TestFreeKnowsABlockByItsStart(t *testing.T) {
	a, _ := newAllocator(t, 0)
	b := a.Allocate(100)
	a.Free(b[:0])
	require.Zero(t, a.Live())
	require.Panics(t, func() { a.Free(b) }, "freed twice")
	require.Panics(t, func() { a.Free(make([]byte, 8)) }, "from elsewhere")
	c := a.Allocate(100)
	require.Panics(t, func() { a.Free(c[1:]) }, "not the start of a block")
	a.Free(c[:7:9])
}

func TestNewBuffer(t *testing.T) {
	a, _ := newAllocator(t, 0)
	dirty := a.Allocate(64)
	for i := range dirty {
		dirty[i] = 7
	}
	a.Free(dirty)
	buf, err := a.NewBuffer(10)
	require.NoError(t, err)
	require.Equal(t, make([]byte, 54), buf.Bytes()[10:64], "padding shows an earlier array")
	require.Same(t, &dirty[0], &buf.Bytes()[0], "expected the block to be recycled")
	buf.Retain()
	buf.Release()
	require.Equal(t, 1, a.Live())
	buf.Release()

	none, err := a.NewBuffer(0)
	require.NoError(t, err)
	require.Zero(t, none.Len())
	none.Release()
	_, err = a.NewBuffer(-1)
	require.Error(t, err)
}

// Random calls behave like the same calls on Arrow's own allocator.
func TestAllocatorAgainstModel(t *testing.T) {
	a, _ := newAllocator(t, 0)
	rnd := rand.New(rand.NewPCG(1, 2))
	type pair struct{ got, want []byte }
	var live []pair
	for range 3000 {
		switch k := rnd.IntN(4); {
		case k < 2 || len(live) == 0:
			n := rnd.IntN(5000)
			live = append(live, pair{a.Allocate(n), make([]byte, n)})
		case k == 2:
			i, n := rnd.IntN(len(live)), rnd.IntN(10000)
			p := live[i]
			want := make([]byte, n)
			copy(want, p.want)
			live[i] = pair{a.Reallocate(n, p.got), want}
		default:
			i := rnd.IntN(len(live))
			a.Free(live[i].got)
			live[i] = live[len(live)-1]
			live = live[:len(live)-1]
			continue
		}
		p := live[rnd.IntN(len(live))]
		if !bytes.Equal(p.got, p.want) {
			t.Fatalf("got %d bytes, want %d, or they differ", len(p.got), len(p.want))
		}
		for j := range p.got {
			v := byte(rnd.Uint32())
			p.got[j], p.want[j] = v, v
		}
	}
	for _, p := range live {
		require.True(t, bytes.Equal(p.got, p.want))
		a.Free(p.got)
	}
}

func TestAllocatorFromManyGoroutines(t *testing.T) {
	a, _ := newAllocator(t, 0)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 200 {
				bld := array.NewInt64Builder(a)
				for j := range 100 {
					bld.Append(int64(g*i + j))
				}
				arr := bld.NewInt64Array()
				bld.Release()
				c, err := ColumnOf[int64](a, arr)
				if err != nil || c.Values.Data()[99] != int64(g*i+99) {
					t.Errorf("got %v, %v", c, err)
				}
				arr.Release()
			}
		})
	}
	wg.Wait()
}

func TestFullArena(t *testing.T) {
	a, _ := newAllocator(t, 64<<10)
	fill := func() error {
		bld := array.NewFloat64Builder(a)
		defer bld.Release()
		for i := range 100_000 {
			bld.Append(float64(i))
		}
		return nil
	}
	err := a.Contain(fill)
	require.ErrorIs(t, err, shm.ErrFull)
	var alloc *AllocError
	require.ErrorAs(t, err, &alloc)
	require.Positive(t, alloc.Bytes)
	require.ErrorIs(t, a.Err(), shm.ErrFull)
	require.Zero(t, a.Live(), "the builder was released on the way out")

	_, err = a.NewBuffer(1 << 20)
	require.ErrorIs(t, err, shm.ErrFull)
	_, err = a.NewBuffer(1<<63 - 1)
	require.Error(t, err)

	require.NoError(t, a.Contain(func() error { return nil }))
	bad := errors.New("bad")
	require.Equal(t, bad, a.Contain(func() error { return bad }))
	require.ErrorContains(t, a.Contain(func() error { panic("oops") }), "oops")
	require.ErrorIs(t, a.Contain(func() error { panic(bad) }), bad)
}

func TestFullSharedMemory(t *testing.T) {
	a, _ := newAllocator(t, 0)
	_, err := a.NewBuffer(1 << 50)
	require.ErrorIs(t, err, unix.ENOSPC)
	var space *shm.SpaceError
	require.ErrorAs(t, err, &space)
}

// Arrow's readers flatten a panic to text; the reason must still be there.
func TestArrowReadersInAnArena(t *testing.T) {
	stream := writeStream(t, 10_000)
	for _, full := range []bool{false, true} {
		t.Run(fmt.Sprintf("full=%v", full), func(t *testing.T) {
			budget := int64(0)
			if full {
				budget = 4 << 10 // enough for nothing
			}
			a, _ := newAllocator(t, budget)
			err := a.Contain(func() error {
				r, err := ipc.NewReader(bytes.NewReader(stream), ipc.WithAllocator(a))
				if err != nil {
					return err
				}
				defer r.Release()
				for r.Next() {
					c, err := ColumnOf[int32](a, r.Record().Column(0))
					if err != nil {
						return err
					}
					require.Equal(t, int64(10_000), c.Len)
					require.Equal(t, int32(9_999), c.Values.Data()[9_999])
				}
				return r.Err()
			})
			if full {
				require.ErrorIs(t, err, shm.ErrFull)
			} else {
				require.NoError(t, err)
			}
		})
	}
}

func writeStream(t *testing.T, rows int) []byte {
	t.Helper()
	schema := arrow.NewSchema([]arrow.Field{{Name: "i", Type: arrow.PrimitiveTypes.Int32}}, nil)
	bld := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer bld.Release()
	for i := range rows {
		bld.Field(0).(*array.Int32Builder).Append(int32(i))
	}
	rec := bld.NewRecord()
	defer rec.Release()
	var out bytes.Buffer
	w := ipc.NewWriter(&out, ipc.WithSchema(schema))
	require.NoError(t, w.Write(rec))
	require.NoError(t, w.Close())
	return out.Bytes()
}

// What is copied into blocks is counted, by as many bytes, and nothing else is.
func TestCopiesAreCounted(t *testing.T) {
	a, arena := newAllocator(t, 0)
	last := int64(0)
	copied := func() int64 {
		now := arena.Stats().Copied
		defer func() { last = now }()
		return now - last
	}
	b := a.Allocate(100)
	b = a.Reallocate(120, b)
	require.Zero(t, copied(), "it grows in place")
	b = a.Reallocate(1000, b)
	require.Equal(t, int64(120), copied())
	a.Free(b)

	heap := buildInts(memory.DefaultAllocator, 60, true)
	defer heap.Release()
	part := array.NewSlice(heap, 13, 50)
	defer part.Release()
	ours, err := CopyArray(a, part)
	require.NoError(t, err)
	require.Equal(t, int64(37*8+6), copied(), "37 numbers, and the bytes that bits 13 to 50 lie in")
	require.NotSame(t, &part.Data().Buffers()[1].Bytes()[13*8], &ours.Data().Buffers()[1].Bytes()[5*8])
	again, err := CopyArray(a, ours)
	require.NoError(t, err)
	require.Zero(t, copied(), "it is there already")
	require.Same(t, &ours.Data().Buffers()[1].Bytes()[0], &again.Data().Buffers()[1].Bytes()[0])
	_, err = ColumnOf[int64](a, again)
	require.NoError(t, err)
	require.Zero(t, copied())
	joined, err := Concatenate(a, []arrow.Array{ours, again})
	require.NoError(t, err)
	require.Equal(t, int64(2*37*8+(2*37+7)/8), copied())
	require.Equal(t, 74, joined.Len())
	for _, arr := range []arrow.Array{ours, again, joined} {
		arr.Release()
	}
	_, err = Concatenate(a, nil)
	require.Error(t, err)
	x, err := shm.PutCopy(arena, make([]int64, 10))
	require.NoError(t, err)
	require.Equal(t, int64(80), copied())
	x.Release()
}

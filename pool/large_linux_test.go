package pool

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
)

// text is a string of n bytes that no two seeds have in common.
func text(seed, n int) string {
	s := fmt.Sprintf("%d,", seed)
	return strings.Repeat(s, n/len(s)+1)[:n]
}

type largeIn struct {
	Seed, Bytes int // of the result
	How, Mark   string
	Text        string
}

type largeOut struct {
	Seed, Got int
	Text      string
}

// large returns a text by value, of any size, and says how long that of its argument was.
var large = Func("test.large", func(t *Task, in largeIn) (largeOut, error) {
	if in.Text != text(in.Seed, len(in.Text)) {
		return largeOut{}, errors.New("the argument is another")
	}
	switch in.How {
	case "error":
		return largeOut{}, errors.New("no luck")
	case "wait":
		<-t.Context().Done()
	case "kill once":
		if f, err := os.OpenFile(filepath.Join(in.Mark, fmt.Sprint(in.Seed)), os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			f.Close()
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	}
	return largeOut{in.Seed, len(in.Text), text(in.Seed, in.Bytes)}, nil
})

func (in largeIn) of(t *testing.T, out largeOut) {
	t.Helper()
	require.Equal(t, []int{in.Seed, len(in.Text), in.Bytes}, []int{out.Seed, out.Got, len(out.Text)})
	require.True(t, out.Text == text(in.Seed, in.Bytes), "the result is another")
}

// idleArenas is that nothing is left in the arenas when all tasks are over.
func idleArenas(t *testing.T, p *Pool) {
	t.Helper()
	eventually(t, func() bool {
		p.large.mu.Lock()
		defer p.large.mu.Unlock()
		return p.Arena().Stats().Live == 0 && len(p.large.live) == 0
	}, "a side block is left")
}

// Arguments and results of every size go by value: in the record up to its size, and in one
// copy in and one copy out of a side block beyond.
func TestByValueSizes(t *testing.T) {
	const inline = wire.MaxInline - 16 - 3*4 // the numbers, and the lengths of three strings
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		for _, n := range []int{0, 1, inline - 1, inline, inline + 1, wire.MaxInline, 64<<10 - 1, 64 << 10, 64<<10 + 1, 16 << 20} {
			before := p.Stats()
			in := largeIn{Seed: n + 1, Bytes: n, Text: text(n+1, n)}
			out, err := large.Call(background(), p, in)
			require.NoError(t, err)
			in.of(t, out)
			after := p.Stats()
			copied := int64(0) // of both
			if n > inline {
				copied += int64(16 + 3*4 + n)
			}
			if n > inline+4 { // a result has a string less
				copied += int64(16 + 4 + n)
			}
			argument, err := Size(in)
			require.NoError(t, err)
			result, err := Size(out)
			require.NoError(t, err)
			require.Greater(t, argument, int64(n))
			require.Equal(t, argument+result, after.BytesByValue-before.BytesByValue)
			if n < inline-10 || n > inline+10 {
				require.InDelta(t, copied, after.CopiedIn-before.CopiedIn, 100)
				require.Equal(t, after.CopiedIn-before.CopiedIn, after.CopiedOut-before.CopiedOut)
			}
			idleArenas(t, p)
		}
		require.Zero(t, p.Stats().Memory.BytesByRef)
	})
}

// What fails, is cancelled, or is wanted by nobody leaves nothing behind.
func TestByValueLeavesNothing(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		in := largeIn{Seed: 1, Bytes: 100_000, Text: text(1, 100_000)}
		for _, how := range []string{"", "error", "wait"} {
			in.How = how
			for _, discard := range []bool{false, true} {
				f, err := large.Submit(background(), p, in)
				require.NoError(t, err)
				f.Cancel()
				if discard {
					f.Discard()
				} else {
					f.Wait(background())
				}
				ctx, cancel := context.WithTimeout(background(), time.Millisecond)
				large.Call(ctx, p, in)
				cancel()
			}
		}
		in.How = ""
		for range large.Map(background(), p, slices.Values(slices.Repeat([]largeIn{in}, 20))) {
			break
		}
		for range large.MapUnordered(background(), p, slices.Values(slices.Repeat([]largeIn{in}, 20))) {
			break
		}
		idleArenas(t, p)
		f, err := large.Submit(background(), p, in)
		require.NoError(t, err)
		eventually(t, func() bool { s := p.Stats(); return s.Unresolved == 0 }, "not done")
		require.NoError(t, p.Close(background()))
		out, err := f.Wait(background()) // as a result that is small
		require.NoError(t, err)
		in.of(t, out)
	})
}

// Workers that are killed under large values lose none of them.
func TestByValueUnderKills(t *testing.T) {
	for _, anonymous := range []bool{false, true} {
		p := newPool(t, &Options{Workers: 2, Arenas: Arenas{Anonymous: anonymous}, Replacement: Replacement{KeepWidth: true}})
		mark := t.TempDir()
		var ins []largeIn
		for i := range 60 {
			in := largeIn{Seed: i, Bytes: 30_000 * (i % 3), Text: text(i, 20_000*(i%4)), Mark: mark}
			if i%4 == 1 {
				in.How = "kill once"
			}
			ins = append(ins, in)
		}
		n := 0
		for r, err := range large.Map(background(), p, slices.Values(ins)) {
			require.NoError(t, err)
			ins[r.Index].of(t, r.Value)
			n++
		}
		require.Len(t, ins, n)
		idleArenas(t, p)
		s := settled(t, p)
		require.Equal(t, int64(15), s.Retries)
		var copied int64 // each argument once, each result once
		for _, in := range ins {
			if len(in.Text) > 4096 {
				copied += int64(len(in.Text))
			}
			if in.Bytes > 4096 {
				copied += int64(in.Bytes)
			}
		}
		require.InDelta(t, copied, s.CopiedIn, 60*200)
		for i, in := range ins { // once more for each attempt that was lost
			if i%4 == 1 && len(in.Text) > 4096 {
				copied += int64(len(in.Text))
			}
		}
		require.InDelta(t, copied, s.CopiedOut, 60*200)
	}
}

// A full arena is an error of Submit before anything is written; a Map waits for its own
// tasks instead. What can never fit is another error.
func TestByValueFullArena(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Arenas.Inputs = &shm.ArenaOptions{MaxBytes: 4 << 20}
		p := newPool(t, &opts)
		const n = 1 << 20
		_, err := large.Submit(background(), p, largeIn{Text: text(0, 5<<20)})
		require.ErrorIs(t, err, ErrTooLarge)
		require.ErrorContains(t, err, "arguments of 5242")
		x, err := shm.Make[byte](p.Arena(), 3<<20)
		require.NoError(t, err)
		before := p.Stats().CopiedIn
		_, err = large.Submit(background(), p, largeIn{Text: text(0, n)})
		require.ErrorIs(t, err, shm.ErrFull)
		require.NotErrorIs(t, err, ErrTooLarge)
		require.Equal(t, before, p.Stats().CopiedIn)
		x.Release()
		var ins []largeIn
		for i := range 30 {
			ins = append(ins, largeIn{Seed: i, Bytes: 10, Text: text(i, n)})
		}
		for r, err := range large.Map(background(), p, slices.Values(ins)) {
			require.NoError(t, err)
			ins[r.Index].of(t, r.Value)
		}
		for r, err := range large.MapUnordered(background(), p, slices.Values(ins)) {
			require.NoError(t, err)
			ins[r.Index].of(t, r.Value)
		}
		idleArenas(t, p)
	})
}

// Results that nobody waits for yet are moved where the arena of results is short, so that
// they may be waited for in any order.
func TestByValueOutOfOrder(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Workers, opts.Arenas.Results = 1, &shm.ArenaOptions{MaxBytes: 2 << 20}
		p := newPool(t, &opts)
		var ins []largeIn
		var futures []Future[largeOut]
		for i := range 20 {
			in := largeIn{Seed: i, Bytes: 700_000}
			f, err := large.Submit(background(), p, in)
			require.NoError(t, err)
			ins, futures = append(ins, in), append(futures, f)
		}
		for i, f := range slices.Backward(futures) {
			out, err := f.Wait(background())
			require.NoError(t, err)
			ins[i].of(t, out)
		}
		s := p.Stats()
		require.InDelta(t, 20*700_000, s.CopiedIn, 20*100)
		require.Greater(t, s.CopiedOut, s.CopiedIn)
		_, err := large.Call(background(), p, largeIn{Bytes: 3 << 20})
		require.ErrorIs(t, err, shm.ErrFull)
		require.ErrorContains(t, err, "its result of 31457")

		// Arrays make way for nobody.
		held, err := bytesOf.Call(background(), p, 3<<19)
		require.NoError(t, err)
		_, err = large.Call(background(), p, ins[0])
		require.ErrorIs(t, err, shm.ErrFull)
		held.Release()
		_, err = large.Call(background(), p, ins[0])
		require.NoError(t, err)
		idleArenas(t, p)
	})
}

var bytesOf = Func("test.bytesOf", func(t *Task, n int) (shm.OwnedView[byte], error) {
	x, err := shm.Make[byte](t.Arena(), n)
	if err != nil {
		return shm.OwnedView[byte]{}, err
	}
	return x.Own(), nil
})

type mixedLarge struct {
	X    shm.OwnedView[float64]
	Text string
}

var mixed = Func("test.mixed", func(t *Task, in struct {
	X    shm.View[float64]
	Text string
}) (out mixedLarge, err error) {
	x, err := shm.PutCopy(t.Arena(), in.X.Data())
	if err != nil {
		return out, err
	}
	return mixedLarge{x.Own(), in.Text}, nil
})

// Arrays travel by reference beside what is large.
func TestByValueWithArrays(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		x, err := shm.PutCopy(p.Arena(), []float64{1, 2, 3})
		require.NoError(t, err)
		in := struct {
			X    shm.View[float64]
			Text string
		}{x.View(), text(1, 1<<20)}
		for range 5 {
			out, err := mixed.Call(background(), p, in)
			require.NoError(t, err)
			require.Equal(t, []float64{1, 2, 3}, out.X.Data())
			require.True(t, out.Text == in.Text)
			out.X.Release()
			f, err := mixed.Submit(background(), p, in)
			require.NoError(t, err)
			f.Discard()
		}
		x.Release()
		idleArenas(t, p)
	})
}

type largeRange struct{ Text string }

var largeSum = ReduceFunc("test.largeSum", func(t *Task, in largeRange, lo, hi int) (string, error) {
	time.Sleep(time.Millisecond)
	return text(lo, 5000*(hi-lo)) + in.Text[:1], nil
}, func(a, b string) string { return a + b })

// The arguments of a range are copied once, and out of there once in each worker, whatever
// the number of blocks; its results are by value too.
func TestByValueRange(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		opts.Arenas.Results = &shm.ArenaOptions{MaxBytes: 1 << 20}
		p := newPool(t, &opts)
		in := largeRange{text(1, 1<<20)}
		var report RangeReport
		for range 3 {
			before := p.Stats()
			got, err := largeSum.Reduce(background(), p, in, 100, &RangeOptions{Grain: 1, Report: &report})
			require.NoError(t, err)
			require.Greater(t, report.Blocks, 10)
			require.Len(t, got, 100*5000+report.Blocks)
			require.Equal(t, text(0, 10), got[:10])
			s := p.Stats()
			results := int64(len(got))
			require.InDelta(t, 1<<20+results, s.CopiedIn-before.CopiedIn, 2000)
			require.Contains(t, []int64{1, 2}, (s.CopiedOut-before.CopiedOut-results)>>20)
			idleArenas(t, p)
		}
		ctx, cancel := context.WithTimeout(background(), 5*time.Millisecond)
		defer cancel()
		_, err := largeSum.Reduce(ctx, p, in, 1000, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		idleArenas(t, p)
	})
}

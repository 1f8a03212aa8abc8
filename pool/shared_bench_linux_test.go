package pool

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

type benchTable struct {
	X      []float64
	Places map[string]int64
}

var (
	touchShared = Func("bench.touchShared", func(_ *Task, s Shared[benchTable]) (float64, error) {
		x := s.Get().X
		return x[0] + x[len(x)-1], nil
	})
	touchView = Func("bench.touchView", func(_ *Task, v shm.View[float64]) (float64, error) {
		x := v.Data()
		return x[0] + x[len(x)-1], nil
	})
)

// A task that reads a Shared costs the same at every size, and at most twice what one
// with a View does.
func BenchmarkShared(b *testing.B) {
	ctx := context.Background()
	for _, bytes := range []int{64 << 10, 64 << 20} {
		b.Run(fmt.Sprintf("how=view/bytes=%d", bytes), func(b *testing.B) {
			p := newPool(b, &Options{Workers: 1})
			x, err := shm.PutCopy(p.Arena(), make([]float64, bytes/8))
			require.NoError(b, err)
			defer x.Release()
			for b.Loop() {
				_, err := touchView.Call(ctx, p, x.View())
				require.NoError(b, err)
			}
		})
		b.Run(fmt.Sprintf("how=shared/bytes=%d", bytes), func(b *testing.B) {
			p := newPool(b, &Options{Workers: 1})
			s, err := Share(p, benchTable{X: make([]float64, bytes/8)})
			require.NoError(b, err)
			defer s.Release()
			for b.Loop() {
				_, err := touchShared.Call(ctx, p, s)
				require.NoError(b, err)
			}
		})
	}
}

// To share slices without pointers in an arena that is warm takes hardly longer than to
// copy their bytes.
func BenchmarkShare(b *testing.B) {
	for _, bytes := range []int{16 << 20, 64 << 20} {
		src := make([]float64, bytes/8)
		for i := range src {
			src[i] = float64(i)
		}
		b.Run(fmt.Sprintf("how=copy/bytes=%d", bytes), func(b *testing.B) {
			dst := make([]float64, len(src))
			copy(dst, src)
			b.SetBytes(int64(bytes))
			for b.Loop() {
				copy(dst, src)
			}
			runtime.KeepAlive(dst)
		})
		b.Run(fmt.Sprintf("how=share/bytes=%d", bytes), func(b *testing.B) {
			p := newPool(b, &Options{Workers: 1, Arenas: Arenas{Inputs: &shm.ArenaOptions{SegmentBytes: int64(2 * bytes)}}})
			share := func() {
				s, err := Share(p, benchTable{X: src})
				require.NoError(b, err)
				s.Release()
			}
			share() // warms the arena, which gives the same block out again
			b.SetBytes(int64(bytes))
			for b.Loop() {
				share()
			}
		})
	}
}

package shm

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const benchBytes = 256 << 20

// BenchmarkSegment compares, in one run, what segments do with what a plain
// program would:
//
//	op=fresh  from nothing to memory that is reserved and filled by a copy
//	op=map    a segment that is there: map it, write to each of its pages, unmap it
//	op=create make, map, unmap and unlink one of 1 MiB
//
// how=huge is ours, as long as the machine gives huge pages: huge-% says.
func BenchmarkSegment(b *testing.B) {
	b.Run("op=fresh", func(b *testing.B) {
		src := make([]byte, benchBytes)
		fill(src, 1)
		ours := func(create func(*Run, int64, Mode) (*Segment, error)) func(b *testing.B) {
			return func(b *testing.B) {
				r := newRun(b)
				b.SetBytes(benchBytes)
				huge := int64(0)
				for b.Loop() {
					seg, err := create(r, benchBytes, ReadOnly)
					require.NoError(b, err)
					copy(seg.mem, src)
					huge += seg.Huge()
					b.StopTimer()
					require.NoError(b, seg.Close())
					b.StartTimer()
				}
				b.ReportMetric(100*float64(huge)/float64(b.N)/benchBytes, "huge-%")
			}
		}
		b.Run("how=huge/kind=named", ours(kinds[0].create))
		b.Run("how=huge/kind=anonymous", ours(kinds[1].create))
		b.Run("how=touch", func(b *testing.B) { benchPlain(b, src, false) })
		b.Run("how=fallocate", func(b *testing.B) { benchPlain(b, src, true) })
	})
	b.Run("op=map", func(b *testing.B) {
		write := func(mem []byte) {
			for i := 0; i < len(mem); i += pageBytes {
				mem[i] = 1
			}
		}
		b.Run("how=huge", func(b *testing.B) {
			own, err := newRun(b).Create(benchBytes)
			require.NoError(b, err)
			for b.Loop() {
				seg, err := Attach(own.Name(), benchBytes, ReadWrite)
				require.NoError(b, err)
				write(seg.mem)
				require.NoError(b, seg.Close())
			}
			b.ReportMetric(100*float64(own.Huge())/benchBytes, "huge-%")
		})
		b.Run("how=small", func(b *testing.B) {
			f, name := plainFile(b, newRun(b), benchBytes)
			defer unlinkFile(name)
			require.NoError(b, reserve(f, benchBytes))
			require.NoError(b, f.Close())
			for b.Loop() {
				f, err := os.OpenFile(dir+"/"+name, os.O_RDWR, 0)
				require.NoError(b, err)
				mem, err := unix.Mmap(int(f.Fd()), 0, benchBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
				require.NoError(b, err)
				write(mem)
				require.NoError(b, unix.Munmap(mem))
				require.NoError(b, f.Close())
			}
		})
	})
	b.Run("op=create/size=1MiB", func(b *testing.B) {
		for _, k := range kinds[:2] {
			b.Run("kind="+k.name, func(b *testing.B) {
				r := newRun(b)
				for b.Loop() {
					seg, err := k.create(r, 1<<20, ReadOnly)
					require.NoError(b, err)
					require.NoError(b, seg.Close())
				}
			})
		}
	})
}

// benchPlain is what a program does that knows nothing of huge pages.
func benchPlain(b *testing.B, src []byte, reserved bool) {
	r := newRun(b)
	b.SetBytes(int64(len(src)))
	for b.Loop() {
		f, name := plainFile(b, r, int64(len(src)))
		if reserved {
			require.NoError(b, reserve(f, int64(len(src))))
		}
		mem, err := unix.Mmap(int(f.Fd()), 0, len(src), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
		require.NoError(b, err)
		copy(mem, src)
		b.StopTimer()
		require.NoError(b, unix.Munmap(mem))
		require.NoError(b, f.Close())
		require.NoError(b, unlinkFile(name))
		b.StartTimer()
	}
}

// plainFile is a file of the run that is only sized.
func plainFile(b *testing.B, r *Run, size int64) (*os.File, string) {
	name := fmt.Sprintf("handoff-%s-plain", r.ID())
	f, err := openFile(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
	require.NoError(b, err)
	require.NoError(b, f.Truncate(size))
	return f, name
}

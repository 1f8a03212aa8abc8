package shm

import (
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// A figure is a ratio of two ways to the same end.
type figure struct {
	name  string
	setup func(b *testing.B) (ours, plain func() time.Duration)
}

// BenchmarkFigures measures the figures of the README. The two ways take turns,
// so that what the machine does meanwhile meets both; x-faster is the median of
// the ratios plain/ours of the rounds, beside the smallest and the largest.
//
//	go test -run '^$' -bench Figures -benchtime 15x ./shm
func BenchmarkFigures(b *testing.B) {
	for _, f := range figures {
		b.Run(f.name, func(b *testing.B) {
			ours, plain := f.setup(b)
			ours() // what is warm in use is warm here
			plain()
			var times, others []time.Duration
			var ratios []float64
			for b.Loop() {
				t, o := ours(), plain()
				times, others = append(times, t), append(others, o)
				ratios = append(ratios, float64(o)/float64(t))
			}
			slices.Sort(times)
			slices.Sort(others)
			slices.Sort(ratios)
			mid := len(ratios) / 2
			b.ReportMetric(0, "ns/op") // of both together: of no interest
			b.ReportMetric(float64(times[mid].Nanoseconds()), "ns-ours")
			b.ReportMetric(float64(others[mid].Nanoseconds()), "ns-plain")
			b.ReportMetric(ratios[mid], "x-faster")
			b.ReportMetric(ratios[0], "x-min")
			b.ReportMetric(ratios[len(ratios)-1], "x-max")
		})
	}
}

const benchBytes = 256 << 20

var figures = []figure{
	// Copying 64 MiB into a warm arena, against copying it to a slice that is warm.
	{"PutCopy-64MiB-to-copy", func(b *testing.B) (ours, plain func() time.Duration) { return benchCopyIn(b, 64<<20) }},
	{"PutCopy-16MiB-to-copy", func(b *testing.B) (ours, plain func() time.Duration) { return benchCopyIn(b, 16<<20) }},
	{"PutCopy-1MiB-to-copy", func(b *testing.B) (ours, plain func() time.Duration) { return benchCopyIn(b, 1<<20) }},
	// From nothing to 256 MiB of shared memory, reserved and filled, against sizing
	// a file, mapping it and filling it, which reserves nothing.
	{"fresh-256MiB-to-first-touch", func(b *testing.B) (ours, plain func() time.Duration) { return benchFresh(b, false) }},
	// The same against a file whose space is reserved before it is filled.
	{"fresh-256MiB-to-fallocate", func(b *testing.B) (ours, plain func() time.Duration) { return benchFresh(b, true) }},
	// A worker that was started again maps a segment that is there and writes to
	// every page of it, against the same on pages of 4 KiB.
	{"map-256MiB-to-4KiB-pages", func(b *testing.B) (ours, plain func() time.Duration) {
		r := newRun(b)
		own, err := r.Create(benchBytes)
		require.NoError(b, err)
		b.Logf("%d of %d MiB on huge pages", own.Huge()>>20, benchBytes>>20)
		f := plainFile(b, r, true)
		write := func(mem []byte) {
			for i := 0; i < len(mem); i += pageBytes {
				mem[i] = 1
			}
		}
		b.Cleanup(func() { f.Close() })
		mem := mapPlain(b, f)
		write(mem) // the file's pages are there in both cases
		require.NoError(b, unix.Munmap(mem))
		return func() time.Duration {
				began := time.Now()
				seg, err := Attach(own.Name(), benchBytes, ReadWrite)
				require.NoError(b, err)
				write(seg.mem)
				took := time.Since(began)
				require.NoError(b, seg.Close())
				return took
			}, func() time.Duration {
				began := time.Now()
				mem := mapPlain(b, f)
				write(mem)
				took := time.Since(began)
				require.NoError(b, unix.Munmap(mem))
				return took
			}
	}},
	// A block of 1 MiB from a warm arena and back, against a segment made, mapped,
	// unmapped and unlinked. Of the arena's, a thousand are timed.
	{"Make-1MiB-to-Create", func(b *testing.B) (ours, plain func() time.Duration) {
		r := newRun(b)
		a := r.NewArena(nil)
		return func() time.Duration {
				began := time.Now()
				for range 1000 {
					x, err := MakeUnzeroed[byte](a, 1<<20)
					if err != nil {
						b.Fatal(err)
					}
					x.Release()
				}
				return time.Since(began) / 1000
			}, func() time.Duration {
				began := time.Now()
				seg, err := r.Create(1 << 20)
				require.NoError(b, err)
				require.NoError(b, seg.Close())
				return time.Since(began)
			}
	}},
}

func benchCopyIn(b *testing.B, size int) (ours, plain func() time.Duration) {
	src, dst := make([]byte, size), make([]byte, size)
	fill(src, 1)
	a := newRun(b).NewArena(nil)
	return func() time.Duration {
			began := time.Now()
			x, err := PutCopy(a, src)
			took := time.Since(began)
			require.NoError(b, err)
			x.Release()
			return took
		}, func() time.Duration {
			began := time.Now()
			copy(dst, src)
			return time.Since(began)
		}
}

func benchFresh(b *testing.B, reserved bool) (ours, plain func() time.Duration) {
	r, src := newRun(b), make([]byte, benchBytes)
	fill(src, 1)
	return func() time.Duration {
			began := time.Now()
			a := r.NewArena(nil)
			x, err := PutCopy(a, src)
			took := time.Since(began)
			require.NoError(b, err)
			x.Release()
			require.NoError(b, a.Close())
			return took
		}, func() time.Duration {
			began := time.Now()
			f := plainFile(b, r, reserved)
			mem := mapPlain(b, f)
			copy(mem, src)
			took := time.Since(began)
			require.NoError(b, unix.Munmap(mem))
			require.NoError(b, f.Close())
			return took
		}
}

// plainFile is what a program makes that knows nothing of huge pages: a file of
// benchBytes without a name, sized or reserved too.
func plainFile(b *testing.B, r *Run, reserved bool) *os.File {
	name := "handoff-" + r.ID() + "-plain"
	f, err := openFile(name, unix.O_CREAT|unix.O_EXCL|unix.O_RDWR, 0o600)
	require.NoError(b, err)
	require.NoError(b, unlinkFile(name))
	require.NoError(b, f.Truncate(benchBytes))
	if reserved {
		require.NoError(b, reserve(f, benchBytes))
	}
	return f
}

func mapPlain(b *testing.B, f *os.File) []byte {
	mem, err := unix.Mmap(int(f.Fd()), 0, benchBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	require.NoError(b, err)
	return mem
}

// BenchmarkResolve is a Ref's wire form into a view of a mapped segment, and its release.
func BenchmarkResolve(b *testing.B) {
	x, err := PutCopy(newRun(b).NewArena(nil), make([]float64, 1<<20))
	require.NoError(b, err)
	defer x.Release()
	seg, err := Attach(x.Ref().Segment, 0, ReadOnly)
	require.NoError(b, err)
	defer seg.Close()
	record := WireRef{ID: 1, Ref: x.Ref()}.Append(nil)
	b.ReportAllocs()
	for b.Loop() {
		w, _, _ := ReadWireRef(record)
		w.Ref.Segment = seg.Name()
		v, err := Bind[float64](seg, w.Ref)
		if err != nil {
			b.Fatal(err)
		}
		v.Release()
	}
}

// BenchmarkMake is a small block of a warm arena and back, beside others that are in use.
func BenchmarkMake(b *testing.B) {
	for _, live := range []int{0, 50_000} {
		b.Run(fmt.Sprintf("live=%d", live), func(b *testing.B) {
			a := newRun(b).NewArena(nil)
			for range live {
				_, err := MakeUnzeroed[byte](a, 64)
				require.NoError(b, err)
			}
			b.ReportAllocs()
			for b.Loop() {
				x, err := MakeUnzeroed[byte](a, 64)
				if err != nil {
					b.Fatal(err)
				}
				x.Release()
			}
			a.Reset()
		})
	}
}

// BenchmarkReset is what the end of a task costs that has made one array, beside others
// that earlier tasks have made and pins hold.
func BenchmarkReset(b *testing.B) {
	for _, live := range []int{0, 50_000} {
		b.Run(fmt.Sprintf("live=%d", live), func(b *testing.B) {
			a := newRun(b).NewArena(&ArenaOptions{Scratch: true})
			var pins []Pin
			for range live {
				x, err := MakeUnzeroed[byte](a, 64)
				require.NoError(b, err)
				p, err := x.Pin()
				require.NoError(b, err)
				pins = append(pins, p)
			}
			a.Reset()
			for b.Loop() {
				if _, err := MakeUnzeroed[byte](a, 64); err != nil {
					b.Fatal(err)
				}
				a.Reset()
			}
			for _, p := range pins {
				p.Release()
			}
		})
	}
}

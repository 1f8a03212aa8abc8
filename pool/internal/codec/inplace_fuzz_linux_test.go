package codec

import (
	"math/rand/v2"
	"reflect"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/codec/codectest"
)

// Bytes that change while they are read, and while the value is used, end nothing: as those
// of a result, whose worker still can write there.
//
// Its coverage differs from run to run, which minimizing does not bear:
//
//	go test -fuzz 'FuzzInPlaceWhileItChanges$' -fuzztime 2m -fuzzminimizetime 1x ./pool/internal/codec
func FuzzInPlaceWhileItChanges(f *testing.F) {
	types := codectest.Named()
	r := rand.New(rand.NewPCG(6, 6))
	for i, typ := range types {
		p, err := SharedPlan(typ)
		require.NoError(f, err)
		f.Add(uint8(i), encodedBlock(f, p, (&codectest.Generator{Rand: r}).Value(typ)), uint64(i))
	}
	const most = 1 << 20
	mem, err := unix.Mmap(-1, 0, most, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON)
	require.NoError(f, err)
	f.Cleanup(func() { unix.Munmap(mem) })
	f.Fuzz(func(t *testing.T, which uint8, data []byte, seed uint64) {
		typ := types[int(which)%len(types)]
		p, err := SharedPlan(typ)
		require.NoError(t, err)
		b := mem[:copy(mem, data):most]
		if len(b) == 0 {
			return
		}
		var writer sync.WaitGroup
		var stop atomic.Bool
		writer.Go(func() { change(b, data, seed, &stop) })
		for range 4 {
			m := Made{copyStrings: true}
			for range 3 {
				got := reflect.New(typ)
				if m.read(p, b, got.UnsafePointer()) == nil {
					codectest.Same(got.Elem(), got.Elem()) // touches all of it
				}
			}
			require.LessOrEqual(t, m.bytes(), int64(minSpine*2+32*len(b)))
			m.free()
		}
		stop.Store(true)
		writer.Wait()
	})
}

// change writes something to a byte, and soon afterwards what was there.
func change(b, data []byte, seed uint64, stop *atomic.Bool) {
	r := rand.New(rand.NewPCG(seed, 0))
	for !stop.Load() {
		i := r.IntN(len(b))
		b[i] = byte(1 << r.IntN(9)) // small lengths, or none
		for range r.IntN(50) {
			if stop.Load() {
				break
			}
		}
		b[i] = data[i]
	}
}

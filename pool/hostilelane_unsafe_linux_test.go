package pool

import (
	"context"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// laneWords are all words of the worker's own lane.
func laneWords(t *Task) []uint32 {
	first := unsafe.Add(unsafe.Pointer(t.call.Lane().Claim), -lane.ClaimAt)
	return unsafe.Slice((*uint32)(first), lane.Bytes/4)
}

type overwriteIn struct {
	Seed   uint64
	Stores int
	From   int // the first word; −1: any
}

// overwrite stores to words of its worker's lane: what is there and a little more or
// less, extreme values, and random ones. None makes a record the call of another
// function, for whose end nobody could answer.
func overwrite(t *Task, in overwriteIn) {
	r := rand.New(rand.NewPCG(in.Seed, 20))
	words := laneWords(t)
	for i := range min(in.Stores, 64) {
		at := (in.From + i) % len(words)
		if in.From < 0 {
			switch r.IntN(3) { // mostly those that say how far the two sides are
			case 0:
				at = r.IntN((lane.DownAt + ring.SlotBytes) / 4)
			case 1:
				at = lane.UpAt/4 + r.IntN(ring.SlotBytes/4)
			default:
				at = r.IntN(len(words))
			}
		}
		value := atomic.LoadUint32(&words[at])
		switch r.IntN(4) {
		case 0:
			value += uint32(r.IntN(9)) - 4
		case 1:
			value = [...]uint32{0, 1, 1 << 16, 1<<31 - 1, 1 << 31, 1<<32 - 1}[r.IntN(6)]
		case 2:
			value ^= 1 << r.IntN(32)
		default:
			value = r.Uint32()
		}
		in := at*4 - lane.DownAt - ring.SlotBytes
		if in >= 0 && at*4 < lane.UpAt && in%ring.SlotBytes == 8 && (byte(value) == wire.RecordTask || byte(value) == wire.RecordRangeShare) {
			continue
		}
		atomic.StoreUint32(&words[at], value)
	}
}

var overwriteTask = Func("test.overwrite", func(t *Task, in overwriteIn) (int64, error) {
	overwrite(t, in)
	return 0, nil
})

var overwriteRange = RangeFunc("test.overwriteRange", func(t *Task, in overwriteIn, lo, hi int) error {
	if lo == 0 {
		overwrite(t, in)
	}
	return nil
})

// Whatever a worker stores to its own lane, every task and every range ends, though no
// TaskTimeout bounds them, and the pool goes on.
func TestHostileLane(t *testing.T) {
	seeds, stride, watchdog := 1500, 8, time.Minute
	switch {
	case os.Getenv("HANDOFF_SOAK") != "":
		seeds, stride, watchdog = 100_000, 1, time.Hour
	case raceEnabled:
		seeds, stride = 200, 64
	}
	p := newPool(t, &Options{Workers: 2, Replacement: Replacement{KeepWidth: true}, Timeouts: Timeouts{Stop: 250 * time.Millisecond}})
	ctx, cancel := context.WithTimeout(background(), watchdog)
	defer cancel()
	try := func(in overwriteIn, behind int) {
		var all []Future[int64]
		submit := func(f Future[int64], err error) {
			require.NoError(t, err)
			all = append(all, f)
		}
		submit(overwriteTask.Submit(ctx, p, in))
		for i := range behind {
			submit(addOne.Submit(ctx, p, int64(i)))
		}
		for i, f := range all {
			_, err := f.Wait(ctx)
			require.NoError(t, ctx.Err(), "%+v, task %d: %v", in, i, err)
		}
	}
	for seed := range uint64(seeds) {
		in := overwriteIn{seed, 1 + int(seed%40), -1}
		try(in, int(seed%9)*5)
		if seed%8 == 0 {
			err := overwriteRange.ForRange(ctx, p, in, 100, nil)
			require.NoError(t, ctx.Err(), "%+v: %v", in, err)
		}
	}
	for from := 0; from < lane.Bytes/4; from += stride {
		try(overwriteIn{uint64(from), stride, from}, 5)
	}
	s := settled(t, p)
	t.Log(s.Deaths, s.Done, s.Failed)
	require.Greater(t, s.Deaths[ExitProtocol], int64(10), "the test tests nothing")
	got, err := count.Reduce(ctx, p, 0, 1000, nil)
	require.NoError(t, err)
	require.Equal(t, sumTo(1000), got.Sum)
}

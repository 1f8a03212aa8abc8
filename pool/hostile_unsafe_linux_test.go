package pool

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/lane"
	"example.com/handoff/pool/internal/proc"
	policy "example.com/handoff/pool/internal/task"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm/ring"
)

// laneWord is a word of the worker's own lane.
func laneWord(t *Task, offset uintptr) *atomic.Uint32 {
	return (*atomic.Uint32)(unsafe.Add(unsafe.Pointer(t.call.Lane().Claim), offset-lane.ClaimAt))
}

// vandal does to shared memory what no worker should.
var vandal = Func("test.vandal", func(t *Task, how string) (int, error) {
	switch how {
	case "head":
		laneWord(t, lane.DownAt+4).Store(1 << 20)
	case "wipe and die":
		laneWord(t, lane.DownAt).Store(0)
		unix.Kill(os.Getpid(), unix.SIGKILL)
	case "wipe and stay":
		laneWord(t, lane.DownAt).Store(0)
		select {}
	case "lose tasks", "lose tasks, far ahead":
		begun := laneWord(t, lane.DownAt)
		next := lane.DownAt + ring.SlotBytes + uintptr(begun.Load())*ring.SlotBytes
		for laneWord(t, next).Load() == 0 {
			time.Sleep(time.Millisecond)
		}
		for at := next; at < lane.DownAt+ring.SlotBytes+lane.Slots*ring.SlotBytes; at += ring.SlotBytes {
			laneWord(t, at).Store(0)
		}
		if begun.Add(1); how == "lose tasks, far ahead" {
			begun.Add(1 << 20)
		}
	case "not taken back":
		lane := t.call.Lane()
		lane.Up.Put(wire.AppendResult(nil, wire.StatusRevoked, t.call.ID()))
		lane.Up.Publish()
		lane.Supervisor.Notify()
	case "descriptor":
		unix.Sendmsg(proc.SocketFD, nil, unix.UnixRights(1), nil, 0)
	case "leave":
		signal.Ignore(unix.SIGTERM)
		group, err := unix.Getpgid(os.Getppid())
		if err == nil {
			err = unix.Setpgid(0, group)
		}
		if err != nil {
			return 0, err
		}
		for {
			time.Sleep(time.Hour)
		}
	}
	return 1, nil
})

// A worker that spoils its own memory loses its tasks' attempts, and the pool goes on.
func TestVandals(t *testing.T) {
	for _, how := range []string{"head", "wipe and die", "not taken back", "descriptor"} {
		t.Run(how, func(t *testing.T) {
			p := newPool(t, &Options{Workers: 2, Replacement: Replacement{KeepWidth: true}})
			f, err := vandal.Submit(background(), p, how)
			require.NoError(t, err)
			_, err = f.Wait(background())
			switch how {
			case "wipe and die":
				var died *WorkerExitError
				require.ErrorAs(t, err, &died)
				require.Equal(t, ExitSignal, died.Class, "it is classified before the task resolves")
				require.LessOrEqual(t, settled(t, p).Deaths[ExitSignal], int64(policy.MostHeadDeaths+p.opts.Attempts))
			case "not taken back":
				require.ErrorContains(t, err, "not taken back")
			case "descriptor": // its result may be there before it is killed, or not in any attempt
				if err != nil {
					var died *WorkerExitError
					require.ErrorAs(t, err, &died)
					require.Equal(t, ExitProtocol, died.Class)
				}
			default:
				require.NoError(t, err)
			}
			n := 0 // more than a ring holds
			for r, err := range addOne.Map(background(), p, upTo(5000, &n)) {
				require.NoError(t, err)
				require.Equal(t, int64(r.Index+1), r.Value)
			}
		})
	}
	for _, how := range []string{"lose tasks", "lose tasks, far ahead"} {
		t.Run(how, func(t *testing.T) {
			p := newPool(t, &Options{Workers: 1, Replacement: Replacement{KeepWidth: true}, Timeouts: Timeouts{Stop: 200 * time.Millisecond}})
			first, err := vandal.Submit(background(), p, how)
			require.NoError(t, err)
			var behind []Future[int64]
			for i := range int64(10) {
				f, err := addOne.Submit(background(), p, i)
				require.NoError(t, err)
				behind = append(behind, f)
			}
			ctx, cancel := context.WithTimeout(background(), time.Minute)
			defer cancel()
			_, err = first.Wait(ctx)
			require.NoError(t, err)
			for i, f := range behind {
				v, err := f.Wait(ctx)
				require.NoError(t, err, "task %d", i)
				require.Equal(t, int64(i+1), v)
			}
			require.Positive(t, settled(t, p).Deaths[ExitProtocol])
		})
	}
	t.Run("wipe and stay", func(t *testing.T) {
		p := newPool(t, &Options{Workers: 2, Replacement: Replacement{KeepWidth: true}, Attempts: 1, Timeouts: Timeouts{Stop: stuckAfter / 2}})
		f, err := vandal.Submit(background(), p, "wipe and stay")
		require.NoError(t, err)
		ctx, cancel := context.WithTimeout(background(), time.Minute)
		defer cancel()
		_, err = f.Wait(ctx)
		require.ErrorIs(t, err, ErrWorkerDied)
	})
	t.Run("leave", func(t *testing.T) {
		p := newPool(t, &Options{Workers: 1, Timeouts: Timeouts{Close: 10 * time.Millisecond}})
		f, err := vandal.Submit(background(), p, "leave")
		require.NoError(t, err)
		eventually(t, func() bool { return p.Stats().Attempts == 1 }, "not begun")
		time.Sleep(50 * time.Millisecond)
		require.NoError(t, p.Close(background()))
		_, err = f.Wait(background())
		require.ErrorIs(t, err, ErrClosed)
	})
}

var vandalRange = ReduceFunc("test.vandalRange", func(t *Task, how string, lo, hi int) (c counted, err error) {
	next, stop := lane.Counters(t.call.Lane().Control, uint32(t.call.Lane().Claim.Load()>>32))
	switch how {
	case "stop":
		stop.Store(1)
	case "back":
		next.Store(0)
	case "ahead":
		next.Store(1 << 30)
	case "one back":
		next.Add(1<<32 - 1)
	case "wipe and die":
		laneWord(t, lane.DownAt).Store(0)
		unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	}
	for i := lo; i < hi; i++ {
		c.N++
		c.Sum += int64(i)
	}
	return c, nil
}, func(a, b counted) counted { return counted{N: a.N + b.N, Sum: a.Sum + b.Sum} })

// Whatever is written to a range's counter, the range ends, and each index counts once.
func TestVandalsInRange(t *testing.T) {
	for _, how := range []string{"stop", "back", "ahead", "one back"} {
		t.Run(how, func(t *testing.T) {
			p := newPool(t, &Options{Workers: 2, Replacement: Replacement{KeepWidth: true}})
			for range 20 {
				got, err := vandalRange.Reduce(background(), p, how, 10_000, nil)
				require.NoError(t, err)
				require.Equal(t, counted{N: 10_000, Sum: sumTo(10_000)}, got)
			}
			require.Empty(t, p.Stats().Deaths)
		})
	}
}

// A function that kills its workers and wipes what says that they had begun it ends
// its range, as one that does not.
func TestVandalOfItsTracksInRange(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Replacement: Replacement{KeepWidth: true}})
	ctx, cancel := context.WithTimeout(background(), time.Minute)
	defer cancel()
	_, err := vandalRange.Reduce(ctx, p, "wipe and die", 2, &RangeOptions{Grain: 2})
	require.ErrorIs(t, err, ErrWorkerDied)
}

package pool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/internal/proc"
	"example.com/handoff/pool/internal/wire"
	"example.com/handoff/shm"
	"example.com/handoff/shm/shmtest"
)

type makeIn struct {
	N    int
	Seed float64
	How  string
	X    shm.View[float64]
	Mark string
}

type makeOut struct {
	Whole shm.OwnedView[float64]
	Parts struct {
		Row, Rows shm.OwnedView[float64]
		Ints      [2]shm.OwnedView[int32]
		Flags     shm.OwnedView[bool]
	}
	None shm.OwnedView[uint8]
	Sum  float64
	PID  int
	Live int64 // in the arena when the function began
}

// kept is what a function of an earlier task left behind in the worker.
var kept shm.OwnedView[float64]

// otherView is of an arena that is not the task's.
var otherView shm.OwnedView[float64]

// makeResult returns an array of 4 rows of N numbers in several ways.
var makeResult = Func("test.makeResult", func(t *Task, in makeIn) (out makeOut, err error) {
	out.PID, out.Live = os.Getpid(), t.Arena().Stats().Live
	x, err := shm.Make[float64](t.Arena(), 4, in.N)
	if err != nil {
		if in.How == "full" && !errors.Is(err, shm.ErrFull) {
			return out, fmt.Errorf("not full: %w", err)
		}
		return out, err
	}
	for i, old := range x.Data() {
		if old != 0 {
			return out, fmt.Errorf("element %d of a new array is %v", i, old)
		}
		x.Data()[i] = in.Seed + float64(i)
		out.Sum += x.Data()[i]
	}
	raw, err := shm.Make[byte](t.Arena(), 64)
	if err != nil {
		return out, err
	}
	if raw.Data()[63] != 0 {
		return out, fmt.Errorf("byte 63 of a new array is %v", raw.Data()[63])
	}
	raw.Data()[8], raw.Data()[63] = 7, 1
	ints, err := shm.Reinterpret[int32](raw.View(), 8, 2)
	if err != nil {
		return out, err
	}
	flags, err := shm.Reinterpret[bool](raw.View(), 62, 2)
	if err != nil {
		return out, err
	}
	out.Parts.Ints[1], out.Parts.Flags = ints.Own(), flags.Own()
	if _, err := shm.Make[byte](t.Arena(), 1000); err != nil { // not returned
		return out, err
	}
	out.Whole, out.Parts.Row, out.Parts.Rows = x.Own(), x.View().Row(3).Own(), x.Rows(1, 3).Reshape(2*in.N).Own()
	switch in.How {
	case "slow":
		time.Sleep(200 * time.Millisecond)
	case "error":
		return out, errors.New("no luck")
	case "panic":
		panic("oh no")
	case "kill once":
		if f, err := os.OpenFile(in.Mark, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			f.Close()
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	case "input":
		out.Parts.Row = in.X.Own()
	case "row of input":
		out.Parts.Row = in.X.Row(0).Own()
	case "released":
		out.Whole.Release()
	case "keep":
		kept = x.Own()
	case "of an earlier task":
		out.Parts.Row = kept
	case "other arena":
		run, err := shm.NewRun()
		if err != nil {
			return out, err
		}
		defer run.Close()
		other, err := shm.Make[float64](run.NewArena(nil), 1)
		if err != nil {
			return out, err
		}
		otherView = other.Own()
		other.Release()
		out.Parts.Row = otherView
	case "not bools":
		raw.Data()[62] = 2
	}
	return out, nil
})

func (o makeOut) release() {
	o.Whole.Release()
	o.Parts.Row.Release()
	o.Parts.Rows.Release()
	o.Parts.Ints[0].Release()
	o.Parts.Ints[1].Release()
	o.Parts.Flags.Release()
	o.None.Release()
}

func (o makeOut) check(t *testing.T, in makeIn) {
	t.Helper()
	require.Equal(t, []int{4, in.N}, o.Whole.Shape().Dims())
	sum := 0.0
	for _, x := range o.Whole.Data() {
		sum += x
	}
	require.Equal(t, o.Sum, sum)
	require.Equal(t, in.Seed+float64(3*in.N), o.Parts.Row.Data()[0])
	require.Equal(t, in.Seed+float64(in.N), o.Parts.Rows.Data()[0])
	require.Equal(t, 2*in.N, o.Parts.Rows.Len())
	require.Empty(t, o.Parts.Ints[0].Data())
	require.Equal(t, []int32{7, 0}, o.Parts.Ints[1].Data())
	require.Equal(t, []bool{false, true}, o.Parts.Flags.Data())
	require.Zero(t, o.None.Len())
}

func submitMake(t *testing.T, p *Pool, in makeIn) Future[makeOut] {
	t.Helper()
	f, err := makeResult.Submit(background(), p, in)
	require.NoError(t, err)
	return f
}

func makeOne(t *testing.T, p *Pool, in makeIn) makeOut {
	t.Helper()
	out, err := submitMake(t, p, in).Wait(background())
	require.NoError(t, err)
	return out
}

type arenaState struct {
	Segments     int
	Mapped, Live int64
}

var resultArenaState = Func("test.resultArenaState", func(t *Task, _ struct{}) (arenaState, error) {
	s := t.Arena().Stats()
	return arenaState{s.Segments, s.Mapped, s.Live}, nil
})

// resultArenaOf asks the one worker.
func resultArenaOf(t *testing.T, p *Pool) arenaState {
	t.Helper()
	f, err := resultArenaState.Submit(background(), p, struct{}{})
	require.NoError(t, err)
	s, err := f.Wait(background())
	require.NoError(t, err)
	return s
}

// oneOfBoth is bothIsolations with one worker.
func oneOfBoth(t *testing.T, test func(t *testing.T, opts Options)) {
	bothIsolations(t, func(t *testing.T, opts Options) { opts.Workers = 1; test(t, opts) })
}

// Whoever does not know the type of a result can measure and release its memory.
func TestWaitViews(t *testing.T) {
	oneOfBoth(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		in := makeIn{N: 1000, Seed: 5}
		out, views, err := submitMake(t, p, in).WaitViews(background())
		require.NoError(t, err)
		out.check(t, in)
		size := int64(0)
		for _, v := range views {
			ref := v.Ref()
			size += ref.Bytes()
		}
		require.Equal(t, p.Stats().Memory.ResultBytesByRef, size)
		require.Positive(t, resultArenaOf(t, p).Live)
		for _, v := range views {
			v.Release()
		}
		require.Panics(t, func() { out.Whole.Data() })
		eventually(t, func() bool { return resultArenaOf(t, p).Live == 0 }, "a result is held")

		in.How = "error"
		f := submitMake(t, p, in)
		_, views, err = f.WaitViews(background())
		require.ErrorContains(t, err, "no luck")
		require.Empty(t, views)
		_, _, err = f.WaitViews(background())
		require.ErrorIs(t, err, ErrWaited)
		_, _, err = Future[makeOut]{}.WaitViews(background())
		require.ErrorIs(t, err, ErrWaited)
	})
}

func TestResultViews(t *testing.T) {
	oneOfBoth(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		in := makeIn{N: 1000, Seed: 5}
		out := makeOne(t, p, in)
		out.check(t, in)
		require.Equal(t, int64(8*(4000+1000+2000)+8+2), p.Stats().Memory.ResultBytesByRef)

		// Nothing was copied: the worker's segment is mapped here, and the
		// slice lies in it.
		name := out.Whole.Ref().Segment
		for pid, where := range map[int]func(line string) bool{
			os.Getpid(): func(line string) bool { return contains(t, line, out.Whole.Bytes()) },
			out.PID:     func(line string) bool { return strings.Contains(line, "rw-s") },
		} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
			require.NoError(t, err)
			require.True(t, slices.ContainsFunc(strings.Split(string(b), "\n"), func(line string) bool {
				return strings.Contains(line, name) && where(line)
			}), "process %d does not have %s mapped:\n%s", pid, name, b)
		}

		// What is held is not given out again; what was released is.
		require.Equal(t, int64(32<<10+64), resultArenaOf(t, p).Live, "by size classes")
		other := makeOne(t, p, makeIn{N: 1000, Seed: 9})
		out.check(t, in)
		other.release()
		out.release()
		require.Zero(t, resultArenaOf(t, p).Live)
	})
}

// contains reports whether a line of /proc/PID/maps covers b.
func contains(t *testing.T, line string, b []byte) bool {
	span, _, _ := strings.Cut(line, " ")
	lo, hi, _ := strings.Cut(span, "-")
	from, err := strconv.ParseUint(lo, 16, 64)
	require.NoError(t, err)
	to, err := strconv.ParseUint(hi, 16, 64)
	require.NoError(t, err)
	at, err := strconv.ParseUint(strings.TrimPrefix(fmt.Sprintf("%p", b), "0x"), 16, 64)
	require.NoError(t, err)
	return from <= at && at+uint64(len(b)) <= to
}

// The result of one task is the input of the next, in the same worker and in another.
func TestResultAsInput(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		out := makeOne(t, p, makeIn{N: 10})
		want := 0.0
		for _, x := range out.Whole.Data() {
			want += x * x
		}
		var futures []Future[float64]
		for range 8 {
			f, err := norm.Submit(background(), p, normIn{out.Whole.View(), 1})
			require.NoError(t, err)
			futures = append(futures, f)
		}
		out.release() // the tasks have their own pins
		for _, f := range futures {
			v, err := f.Wait(background())
			require.NoError(t, err)
			require.InDelta(t, want, v*v, 1e-6)
		}
	})
}

func TestResultArenaStaysFlat(t *testing.T) {
	oneOfBoth(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		for i := range 1000 {
			in := makeIn{N: 1000, Seed: float64(i)}
			out := makeOne(t, p, in)
			require.Equal(t, in.Seed, out.Whole.At(0, 0))
			out.release()
		}
		require.Equal(t, 1, resultArenaOf(t, p).Segments)

		// Many at once make it grow; as many again do not.
		var high arenaState
		for round := range 2 {
			var held []makeOut
			for i := range 20 {
				held = append(held, makeOne(t, p, makeIn{N: 10000, Seed: float64(i)}))
			}
			state := resultArenaOf(t, p)
			if round == 0 {
				high = state
				require.Greater(t, high.Segments, 2)
			}
			require.Equal(t, high, state)
			require.Equal(t, high.Mapped, p.Stats().Memory.ResultBytesMapped)
			for i, out := range held {
				out.check(t, makeIn{N: 10000, Seed: float64(i)})
				out.release()
			}
			require.Zero(t, resultArenaOf(t, p).Live)
		}
	})
}

type waitIn struct {
	N    int
	Mark string // is written once the function is about to wait
}

type waitOut struct{ X shm.OwnedView[byte] }

var waitResult = Func("test.waitResult", func(t *Task, in waitIn) (waitOut, error) {
	if _, err := shm.Make[byte](t.Arena(), in.N); !errors.Is(err, shm.ErrFull) {
		return waitOut{}, fmt.Errorf("expected a full arena, got %w", err)
	}
	if err := os.WriteFile(in.Mark, nil, 0o600); err != nil {
		return waitOut{}, err
	}
	x, err := shm.MakeWait[byte](t.Context(), t.Arena(), in.N)
	return waitOut{x.Own()}, err
})

// A function waits in MakeWait for the release of results of its worker, however
// many there are and in how many pieces they come back.
func TestResultArenaWaits(t *testing.T) {
	oneOfBoth(t, func(t *testing.T, opts Options) {
		const pieces = 3 * maxUnread
		opts.Arenas.Results = &shm.ArenaOptions{SegmentBytes: 4096, MaxBytes: pieces * 4096}
		p := newPool(t, &opts)
		var held []waitOut
		for range pieces {
			f, err := waitBytes.Submit(background(), p, 4096)
			require.NoError(t, err)
			out, err := f.Wait(background())
			require.NoError(t, err)
			held = append(held, out)
		}
		in := waitIn{pieces * 4096, filepath.Join(t.TempDir(), "mark")} // all of it in one piece
		f, err := waitResult.Submit(background(), p, in)
		require.NoError(t, err)
		for _, err := os.Stat(in.Mark); err != nil; _, err = os.Stat(in.Mark) {
			time.Sleep(time.Millisecond)
		}
		for _, out := range held {
			out.X.Release()
		}
		ctx, cancel := context.WithTimeout(background(), time.Minute)
		defer cancel()
		out, err := f.Wait(ctx)
		require.NoError(t, err)
		require.Equal(t, in.N, out.X.Len())
		require.Equal(t, int64(in.N), p.Stats().Memory.ResultBytesMapped, "the small segments were not given back")
		out.X.Release()

		in.N++ // more than there will ever be
		f, err = waitBytes.Submit(background(), p, in.N)
		require.NoError(t, err)
		_, err = f.Wait(background())
		require.ErrorContains(t, err, "also when it is empty")
		require.Empty(t, p.Stats().Deaths)
	})
}

var waitBytes = Func("test.waitBytes", func(t *Task, n int) (waitOut, error) {
	x, err := shm.MakeWait[byte](t.Context(), t.Arena(), n)
	return waitOut{x.Own()}, err
})

func TestResultBudget(t *testing.T) {
	oneOfBoth(t, func(t *testing.T, opts Options) {
		opts.Arenas.Results = &shm.ArenaOptions{SegmentBytes: 64 << 10, MaxBytes: 1 << 20}
		p := newPool(t, &opts)
		held := makeOne(t, p, makeIn{N: 20000}) // 640 kB
		_, err := submitMake(t, p, makeIn{N: 20000, How: "full"}).Wait(background())
		var own *TaskError
		require.ErrorAs(t, err, &own)
		require.ErrorIs(t, err, shm.ErrFull)
		require.ErrorContains(t, err, "arena is full")
		require.NotContains(t, err.Error(), "not full")
		require.LessOrEqual(t, p.Stats().Memory.ResultBytesMapped, int64(1<<20))
		held.release()
		makeOne(t, p, makeIn{N: 20000}).release()
		require.Empty(t, p.Stats().Deaths)
	})
	_, err := New(background(), &Options{Arenas: Arenas{Results: &shm.ArenaOptions{MaxBytes: -1}}})
	require.ErrorContains(t, err, "negative arena option")
}

func TestResultLargerThanMemory(t *testing.T) {
	oneOfBoth(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		for _, n := range []int{1 << 40, 1 << 57} {
			_, err := submitMake(t, p, makeIn{N: n}).Wait(background())
			require.ErrorContains(t, err, "asked for")
			require.ErrorContains(t, err, "no space left on device")
		}
		makeOne(t, p, makeIn{N: 1}).release()
		require.Empty(t, p.Stats().Deaths)
	})
}

func TestResultRefused(t *testing.T) {
	oneOfBoth(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		x, err := shm.PutCopy(p.Arena(), []float64{1, 2}, 2, 1)
		require.NoError(t, err)
		defer x.Release()
		earlier := makeOne(t, p, makeIn{N: 2, How: "keep"})
		const lent = "panic: shm: Own of a task's argument"
		const foreign = "makeOut.Parts.Row: the array was not made in Task.Arena() by this task"
		for _, tt := range []struct {
			how  string
			x    shm.View[float64]
			want string
		}{
			{"input", x.View(), lent},
			{"row of input", x.View(), lent},
			{"input", earlier.Whole.View(), lent}, // of the same worker's arena
			{"other arena", x.View(), foreign},
			{"of an earlier task", x.View(), "makeOut.Parts.Row: shm: array in segment"},
			{"released", x.View(), "makeOut.Whole: shm: array in segment"},
			{"not bools", x.View(), "makeOut.Parts.Flags: shm: ref to"},
			{"error", x.View(), "no luck"},
			{"panic", x.View(), "oh no"},
		} {
			_, err := submitMake(t, p, makeIn{N: 2, How: tt.how, X: tt.x}).Wait(background())
			var own *TaskError
			require.ErrorAs(t, err, &own, tt.how)
			require.ErrorContains(t, err, tt.want)
		}
		otherView.Release() // the zero one, if it is the worker's
		kept, otherView = shm.OwnedView[float64]{}, shm.OwnedView[float64]{}
		earlier.release()
		require.Zero(t, resultArenaOf(t, p).Live, "failed results hold memory")
		require.Empty(t, p.Stats().Deaths)
	})
}

// Results that nobody takes leave nothing live in the worker.
func TestUnwantedResults(t *testing.T) {
	oneOfBoth(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		for _, how := range []string{"", "slow"} {
			f := submitMake(t, p, makeIn{N: 100, How: how})
			if how == "" {
				resolved(t, p, f.id)
			}
			f.Discard()
			_, err := f.Wait(background())
			require.ErrorIs(t, err, ErrWaited)
		}
		running := submitMake(t, p, makeIn{N: 100, How: "slow"})
		eventually(t, func() bool { return p.Stats().Attempts == 3 }, "not started")
		running.Cancel()
		running.Discard()
		eventually(t, func() bool { return resultArenaOf(t, p).Live == 0 }, "a discarded result holds memory")

		for r, err := range makeResult.Map(background(), p, slices.Values(make([]makeIn, 10))) {
			require.NoError(t, err)
			r.Value.release()
			if r.Index == 1 {
				break
			}
		}
		ctx, cancel := context.WithCancel(background())
		defer cancel()
		for r, err := range makeResult.Map(ctx, p, slices.Values([]makeIn{{}, {How: "slow"}, {}})) {
			cancel()
			if err == nil {
				r.Value.release()
			}
		}
		eventually(t, func() bool { return resultArenaOf(t, p).Live == 0 }, "results that nobody wants hold memory")
	})
}

// resolved waits until a task is, without taking its result.
func resolved(t *testing.T, p *Pool, id wire.TaskID) {
	t.Helper()
	eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.tasks.all[id.Index].state == taskResolved
	}, "not resolved")
}

// Results outlive the worker that made them, before and after they are waited
// for, and the pool; their memory goes with the last of them.
func TestResultsOutliveTheirWorker(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	held := makeOne(t, p, makeIn{N: 1000, Seed: 1})
	unwaited := submitMake(t, p, makeIn{N: 1000, Seed: 2})
	never := submitMake(t, p, makeIn{N: 1000, Seed: 3})
	resolved(t, p, never.id)
	name := held.Whole.Ref().Segment
	require.NoError(t, unix.Kill(held.PID, unix.SIGKILL))
	eventually(t, func() bool { return p.Stats().Deaths[ExitSignal] == 1 }, "the death was not noticed")

	next := makeOne(t, p, makeIn{N: 1000, Seed: 4}) // of the next incarnation
	require.NotEqual(t, held.PID, next.PID)
	require.NotEqual(t, name, next.Whole.Ref().Segment)
	second, err := unwaited.Wait(background())
	require.NoError(t, err)
	held.check(t, makeIn{N: 1000, Seed: 1})
	second.check(t, makeIn{N: 1000, Seed: 2})
	f, err := norm.Submit(background(), p, normIn{held.Parts.Row.View(), 1}) // still an input like others
	require.NoError(t, err)
	_, err = f.Wait(background())
	require.NoError(t, err)

	require.FileExists(t, "/dev/shm/"+name)
	held.release()
	second.release()
	require.FileExists(t, "/dev/shm/"+name, "a result that nobody waited for yet")
	never.Discard()
	require.NoFileExists(t, "/dev/shm/"+name)
	require.Equal(t, int64(1<<20), p.Stats().Memory.ResultBytesMapped)

	given := submitMake(t, p, makeIn{N: 1000, Seed: 5})
	waited := make(chan makeOut)
	slow := submitMake(t, p, makeIn{N: 1000, Seed: 6, How: "slow"})
	go func() {
		out, err := slow.Wait(background())
		if err != nil {
			t.Error(err)
		}
		waited <- out
	}()
	eventually(t, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		task := p.tasks.all[slow.id.Index]
		return task.waiting && task.state == taskSent && task.place.worker.runningLocked() == task
	}, "not waiting for a running task")
	require.NoError(t, p.Close(background()))
	_, err = given.Wait(background())
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorContains(t, err, "given up")
	last := <-waited
	last.check(t, makeIn{N: 1000, Seed: 6})
	next.check(t, makeIn{N: 1000, Seed: 4})
	last.release()
	next.release()
	require.Zero(t, p.Stats().Memory.ResultBytesMapped)
}

// A second attempt begins with nothing of the first.
func TestResultRetried(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	in := makeIn{N: 1000, Seed: 1, How: "kill once", Mark: filepath.Join(t.TempDir(), "mark")}
	out := makeOne(t, p, in)
	out.check(t, in)
	require.Zero(t, out.Live)
	require.Equal(t, int64(1), settled(t, p).Deaths[ExitSignal])
	out.release()
	require.Equal(t, int64(1<<20), p.Stats().Memory.ResultBytesMapped, "the first attempt's segment is still there")
}

type scribbleIn struct {
	Out  shm.Array[int32]
	Mark string
}

// scribble breaks the protocol at its first attempt and goes on storing.
var scribble = Func("test.scribble", func(t *Task, in scribbleIn) (int, error) {
	if t.Attempt() == 1 {
		if err := os.WriteFile(in.Mark, fmt.Append(nil, os.Getpid()), 0o600); err != nil {
			return 0, err
		}
		unix.Write(proc.SocketFD, []byte("garbage"))
		for i := int32(0); ; i++ {
			in.Out.Data()[0] = i
		}
	}
	b, err := os.ReadFile(in.Mark)
	if err != nil {
		return 0, err
	}
	first, err := strconv.Atoi(string(b))
	if err != nil || unix.Kill(first, 0) != unix.ESRCH {
		return 0, fmt.Errorf("process %q of the first attempt is not reaped", b)
	}
	in.Out.Data()[0] = -1
	return 0, nil
})

// A task with writable outputs is tried again only when nothing of its last
// attempt can store to them any more.
func TestOutputsAreRetriedAfterTheLastProcess(t *testing.T) {
	p := newPool(t, &Options{Workers: 2})
	out, err := shm.Make[int32](p.Outputs(), 1)
	require.NoError(t, err)
	defer out.Release()
	f, err := scribble.Submit(background(), p, scribbleIn{out, filepath.Join(t.TempDir(), "mark")})
	require.NoError(t, err)
	_, err = f.Wait(background())
	require.NoError(t, err)
	require.Equal(t, int32(-1), out.Data()[0])
	eventually(t, func() bool { return p.Stats().Deaths[ExitProtocol] == 1 }, "the death was not counted")
}

// Several goroutines submit, wait, release, cancel and discard at random.
func TestResultsAtRandom(t *testing.T) {
	bothIsolations(t, func(t *testing.T, opts Options) {
		p := newPool(t, &opts)
		var all sync.WaitGroup
		for g := range 4 {
			all.Go(func() {
				rnd := rand.New(rand.NewPCG(1, uint64(g)))
				var held []makeOut
				var ins []makeIn
				for i := range 100 {
					in := makeIn{N: 1 + rnd.IntN(500), Seed: float64(1000 * g * i)}
					f, err := makeResult.Submit(background(), p, in)
					if err != nil {
						t.Error(err)
						return
					}
					switch rnd.IntN(4) {
					case 0:
						f.Cancel()
						f.Discard()
					case 1:
						f.Discard()
					default:
						out, err := f.Wait(background())
						if err != nil {
							t.Error(err)
							return
						}
						held, ins = append(held, out), append(ins, in)
					}
					for len(held) > rnd.IntN(10) {
						if sum := held[0].Whole.At(0, 0); sum != ins[0].Seed {
							t.Errorf("element 0 is %v, expected %v", sum, ins[0].Seed)
						}
						held[0].release()
						held, ins = held[1:], ins[1:]
					}
				}
				for _, out := range held {
					out.release()
				}
			})
		}
		all.Wait()
		for range 10 { // of both workers
			eventually(t, func() bool { return resultArenaOf(t, p).Live == 0 }, "memory is live")
		}
	})
}

// What one arena has and does not use makes room for another: of the pool, or of
// another worker.
func TestIdleMemoryGoesWhereItIsNeeded(t *testing.T) {
	if !shmtest.Private(t, "size=24m") {
		return
	}
	p := newPool(t, &Options{Workers: 2})
	for i := range 6 { // each is more than half of what there is
		x, err := shm.Make[byte](p.Arena(), 16<<20)
		require.NoError(t, err, i)
		x.Release()
		for range 2 {
			f, err := waitBytes.Submit(background(), p, 16<<20)
			require.NoError(t, err)
			out, err := f.Wait(background())
			require.NoError(t, err, i)
			out.X.Release()
		}
		y, err := shm.Make[byte](p.Outputs(), 16<<20)
		require.NoError(t, err, i)
		y.Release()
	}
}

type flagsOut struct{ Flags shm.OwnedView[bool] }

// A worker truncates the segment that its result lies in: the supervisor, which
// looks at bools before it gives them out, says so and lives.
var truncateResult = Func("test.truncateResult", func(t *Task, _ struct{}) (flagsOut, error) {
	x, err := shm.Make[bool](t.Arena(), 100_000)
	if err != nil {
		return flagsOut{}, err
	}
	return flagsOut{x.Own()}, os.Truncate("/dev/shm/"+x.Ref().Segment, 0)
})

func TestTruncatedResult(t *testing.T) {
	for _, isolation := range []Isolation{Process, Goroutine} {
		p := newPool(t, &Options{Workers: 1, Isolation: isolation})
		f, err := truncateResult.Submit(background(), p, struct{}{})
		require.NoError(t, err)
		_, err = f.Wait(background())
		var own *TaskError
		require.ErrorAs(t, err, &own)
		require.ErrorContains(t, err, "another process probably truncated its file")
	}
}

package pool

import (
	"context"
	"errors"
	"os"
	"runtime/debug"
	"sync"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

// A curious context looks at the pool when it is asked why it has ended.
type curious struct {
	context.Context
	p *Pool
}

func (c curious) Err() error {
	c.p.Stats()
	return c.Context.Err()
}

// The methods of a caller's context are called without the pool's lock.
func TestContextUsesThePool(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Timeouts: Timeouts{Close: time.Millisecond}})
	task := submitWork(t, p, workIn{How: "sleep", For: time.Hour})
	defer task.Cancel()
	within(t, func() {
		for range 2 { // the leader, and one that is parked
			var waiters sync.WaitGroup
			for range 2 {
				ctx, cancel := context.WithTimeout(background(), 20*time.Millisecond)
				defer cancel()
				fut := submitWork(t, p, workIn{})
				waiters.Go(func() {
					_, err := fut.Wait(curious{ctx, p})
					require.ErrorIs(t, err, context.DeadlineExceeded)
					fut.Cancel()
				})
			}
			waiters.Wait()
		}
		ctx, cancel := context.WithTimeout(background(), 20*time.Millisecond)
		defer cancel()
		err := nothingIn.ForRange(curious{ctx, p}, p, 0, 10, nil)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		for _, err := range work.MapUnordered(curious{ctx, p}, p, func(yield func(workIn) bool) { yield(workIn{}) }) {
			require.ErrorIs(t, err, context.DeadlineExceeded)
		}
	})
}

var nothingIn = RangeFunc("test.foreignRange", func(t *Task, in, lo, hi int) error { return nil })

// A wild context panics when somebody wants to hear of its end.
type wild struct{ context.Context }

func (wild) Done() <-chan struct{}        { return make(chan struct{}) }
func (wild) AfterFunc(func()) func() bool { panic("mine") }

// A panic in the leader is that of who waits, and holds nobody else up.
func TestPanicOfThePoller(t *testing.T) {
	p := newPool(t, &Options{Workers: 2, Timeouts: Timeouts{Close: time.Millisecond}})
	long := submitWork(t, p, workIn{How: "sleep", For: time.Hour})
	defer long.Cancel()
	within(t, func() {
		require.PanicsWithValue(t, "mine", func() { long.Wait(wild{background()}) })
		for range 3 {
			requireAttempt(t, submitWork(t, p, workIn{How: "sleep", For: 30 * time.Millisecond}), 1)
		}
		require.Len(t, p.Stats().Workers, 2)
	})
}

// What is handed over may fault, or have methods that panic: that is the error of who
// hands it over, and of nobody else.
func TestSubmitFaults(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	fd, err := unix.MemfdCreate("gone", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Ftruncate(fd, 4096))
	gone, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer unix.Munmap(gone)
	require.NoError(t, unix.Ftruncate(fd, 0))
	p := newPool(t, &Options{Workers: 1})
	within(t, func() {
		debug.SetPanicOnFault(true)
		_, err := work.Submit(background(), p, workIn{How: unsafe.String(&gone[0], 10)})
		require.ErrorContains(t, err, "panic: runtime error: invalid memory address")
		_, err = shy.Submit(background(), p, shyIn{})
		require.ErrorContains(t, err, "panic: not now")
		requireAttempt(t, submitWork(t, p, workIn{}), 1)
	})
}

// A shyIn panics where it is handed over.
type shyIn struct{}

func (s *shyIn) Carry([]byte) ([]byte, []shm.Binder, error) { panic("not now") }
func (s *shyIn) Receive([]byte, []shm.Binder) error         { return nil }

var shy = Func("test.shy", func(*Task, shyIn) (int, error) { return 1, nil })

var cutting sync.Once

// cut cuts the file that its results lie in and grows it again, all the time.
var cutFile = Func("test.cutFile", func(t *Task, n int) (v shm.OwnedView[bool], err error) {
	a, err := shm.Make[bool](t.Arena(), n)
	if err != nil {
		return v, err
	}
	cutting.Do(func() {
		path := "/dev/shm/" + a.Ref().Segment
		st, err := os.Stat(path)
		if err != nil {
			panic(err)
		}
		go func() {
			for {
				os.Truncate(path, 0)
				os.Truncate(path, st.Size())
			}
		}()
	})
	return a.Own(), nil
})

// A worker that cuts the file under its results and grows it again makes tasks fail,
// its own, and neither ends the supervisor nor holds it up.
func TestWorkerCutsItsResults(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Replacement: Replacement{KeepWidth: true}})
	failed := 0
	within(t, func() {
		for range 500 {
			f, err := cutFile.Submit(background(), p, 32<<10)
			require.NoError(t, err)
			v, err := f.Wait(background())
			var own *TaskError
			var death *WorkerExitError
			switch {
			case err == nil:
				v.Release()
			case errors.As(err, &own):
				failed++
			default:
				require.ErrorAs(t, err, &death)
			}
		}
	})
	t.Log(failed, "failed")
}

// A hook of a segment that panics ends the program, as on a goroutine of its own: it
// does not unwind a caller who recovers, with tasks that nobody hears of.
func TestPanicOfHook(t *testing.T) {
	out, err := program("panicking hook").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "a hook of a view or segment has not returned: my hook")
	require.Contains(t, string(out), "foreign_unsafe_linux_test.go")
}

func init() {
	programs["panicking hook"] = func([]string) {
		defer func() { recover() }()
		p, err := New(background(), &Options{Workers: 1})
		if err != nil {
			panic(err)
		}
		seg, err := p.Run().Create(4096)
		if err != nil {
			panic(err)
		}
		seg.OnUnmap(func() { panic("my hook") })
		a, err := shm.BindArray[int32](seg, shm.Ref{Segment: seg.Name(), DType: shm.Int32, Shape: one})
		if err != nil {
			panic(err)
		}
		in := faultIn{How: "pid", A: a.View()}
		f, err := touch.Submit(background(), p, in)
		a.Release()
		seg.Close()
		if err == nil {
			f.Wait(background())
		}
		time.Sleep(time.Minute) // the other goroutine ends the program
	}
}

var one, _ = shm.ShapeOf(1)

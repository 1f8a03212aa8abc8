package shm

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// helperTruncate reads names and sizes, and says when each was done.
func helperTruncate([]string) error {
	for {
		var name string
		var size int64
		if _, err := fmt.Scanln(&name, &size); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		fmt.Println(os.Truncate(dir+"/"+name, size))
	}
}

// truncator is another process that truncates.
type truncator struct {
	in  io.Writer
	out *bufio.Reader
}

func startTruncator(t *testing.T) truncator {
	cmd := helper(t, "truncate")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() { in.Close(); cmd.Wait() })
	return truncator{in, bufio.NewReader(out)}
}

func (tr truncator) truncate(t *testing.T, name string, size int64) {
	t.Helper()
	fmt.Fprintln(tr.in, name, size)
	line, err := tr.out.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "<nil>\n", line)
}

// byteView is all of a segment, and what ends it.
func byteView(t *testing.T, seg *Segment) (_ View[byte], release func()) {
	t.Helper()
	shape, err := ShapeOf(int(seg.Size()))
	require.NoError(t, err)
	v, err := Bind[byte](seg, Ref{Segment: seg.Name(), DType: Uint8, Shape: shape})
	require.NoError(t, err)
	return v.View(), v.Release
}

// sumOf is called, or its loads would be left out where nobody looks at the sum.
//
//go:noinline
func sumOf(data []byte) (sum int) {
	for _, x := range data {
		sum += int(x)
	}
	return sum
}

// Another process truncates a segment under its readers, again and again: each
// of them gets an error, and readers of another segment do not notice.
func TestGuardedSurvivesTruncation(t *testing.T) {
	r := newRun(t)
	other, err := r.Create(1 << 16)
	require.NoError(t, err)
	fill(other.mem, 1)
	calm, releaseCalm := byteView(t, other)
	defer releaseCalm()
	want := sumOf(calm.Data())
	var stop atomic.Bool
	var calmReaders sync.WaitGroup
	defer calmReaders.Wait()
	defer stop.Store(true)
	for range 2 {
		calmReaders.Go(func() {
			for !stop.Load() {
				err := calm.Guarded(func(data []byte) error {
					if got := sumOf(data); got != want {
						return fmt.Errorf("sum %d, expected %d", got, want)
					}
					runtime.Gosched()
					return nil
				})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}

	tr := startTruncator(t)
	for round := range 20 {
		size := int64(1 << 16)
		if round%4 == 3 {
			size = hugePage + 1<<16
		}
		left := size / 2 / pageBytes * pageBytes * int64(round%2)
		seg, err := r.Create(size)
		require.NoError(t, err)
		attached, err := Attach(seg.Name(), size, ReadOnly)
		require.NoError(t, err)
		v, release := byteView(t, attached)
		var readers sync.WaitGroup
		var started sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			started.Add(1)
			readers.Go(func() {
				to := make([]byte, size)
				for n := 0; errs[i] == nil; n++ {
					errs[i] = v.Guarded(func(data []byte) error {
						if i%2 == 0 {
							copy(to, data)
						} else {
							sumOf(data[len(data)-5000:])
						}
						return nil
					})
					if n == 0 {
						started.Done()
					}
					runtime.Gosched()
				}
			})
		}
		started.Wait()
		tr.truncate(t, seg.Name(), left)
		readers.Wait()
		for _, err := range errs {
			var fault *FaultError
			require.ErrorAs(t, err, &fault)
			require.ErrorIs(t, err, ErrForeign)
			require.Equal(t, seg.Name(), fault.Segment)
			require.Equal(t, size, fault.Size)
			require.GreaterOrEqual(t, fault.Offset, left)
			require.Less(t, fault.Offset, size)
			require.ErrorContains(t, err, "another process probably truncated its file")
		}
		release()
		require.NoError(t, attached.Close())
		require.NoError(t, seg.Close())
	}
}

func TestGuardedArray(t *testing.T) {
	a := newRun(t).NewArena(nil)
	x, err := PutCopy(a, []float64{1, 2, 3})
	require.NoError(t, err)
	sum := 0.0
	add := func(data []float64) error {
		for _, v := range data {
			sum += v
		}
		return nil
	}
	require.NoError(t, x.View().Guarded(add))
	require.Equal(t, 6.0, sum)
	failed := errors.New("failed")
	require.Equal(t, failed, x.View().Guarded(func([]float64) error { return failed }))
	tr := startTruncator(t)
	tr.truncate(t, x.Ref().Segment, 0)
	var fault *FaultError
	require.ErrorAs(t, x.View().Guarded(add), &fault)
	require.Zero(t, fault.Offset)
	tr.truncate(t, x.Ref().Segment, fault.Size)
	v := x.View()
	x.Release()
	require.ErrorIs(t, v.Guarded(add), ErrReleased)
	calls := 0
	require.NoError(t, View[float64]{}.Guarded(func(data []float64) error { calls++; return add(data) }))
	require.Equal(t, 1, calls)
	require.NoError(t, a.Close())
}

// What is not a fault within the segment is none of Guarded's business.
func TestGuardedLetsPass(t *testing.T) {
	seg, err := newRun(t).Create(4096)
	require.NoError(t, err)
	v, release := byteView(t, seg)
	defer release()
	recovered := func(f func()) (r any) {
		defer func() { r = recover() }()
		v.Guarded(func([]byte) error { f(); return nil })
		panic("returned")
	}

	fd, err := unix.MemfdCreate("elsewhere", unix.MFD_CLOEXEC)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Ftruncate(fd, 4096))
	elsewhere, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ, unix.MAP_SHARED)
	require.NoError(t, err)
	defer unix.Munmap(elsewhere)
	require.NoError(t, unix.Ftruncate(fd, 0))
	r, ok := recovered(func() { sumOf(elsewhere) }).(interface {
		runtime.Error
		Addr() uintptr
	})
	require.True(t, ok)
	require.NotZero(t, r.Addr())

	require.Equal(t, "mine", recovered(func() { panic("mine") }))
	require.ErrorContains(t, recovered(func() { _ = v.Data()[len(seg.mem)] }).(error), "index out of range")
	require.ErrorContains(t, recovered(func() { var p *int; *p = 1 }).(error), "nil pointer")
	require.Equal(t, "returned", recovered(func() {}))

	ended := make(chan bool)
	go func() {
		defer close(ended)
		v.Guarded(func([]byte) error { runtime.Goexit(); return nil })
		ended <- true
	}()
	require.False(t, <-ended, "Goexit was swallowed")
	pins := func() int { seg.mu.Lock(); defer seg.mu.Unlock(); return seg.pins }
	require.Equal(t, 1, pins(), "a pin was left")
}

// A file that is cut and at once grown again is the same error: the bytes are there
// when somebody looks, and have been gone for the one who read them.
func TestGuardedSurvivesCutAndGrown(t *testing.T) {
	seg, err := newRun(t).Create(8192)
	require.NoError(t, err)
	attached, err := Attach(seg.Name(), 8192, ReadOnly)
	require.NoError(t, err)
	v, release := byteView(t, attached)
	path := dir + "/" + seg.Name()
	err = v.Guarded(func(data []byte) error {
		defer func() { require.NoError(t, os.Truncate(path, 8192)) }() // before Guarded sees the panic
		require.NoError(t, os.Truncate(path, 4096))
		sumOf(data)
		return nil
	})
	var fault *FaultError
	require.ErrorAs(t, err, &fault)
	require.Equal(t, &FaultError{Segment: seg.Name(), Offset: 4096, Size: 8192, Readable: true}, fault)
	require.ErrorContains(t, err, "another process truncated the file and grew it again")

	err = v.Guarded(func(data []byte) error { data[77] = 1; return nil }) // a store, which looks the same
	require.ErrorAs(t, err, &fault)
	require.Equal(t, &FaultError{Segment: seg.Name(), Offset: 77, Size: 8192, Readable: true}, fault)

	// The package's own loads, under a process that does nothing else.
	stop := make(chan struct{})
	var cutter sync.WaitGroup
	cutter.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				os.Truncate(path, 0)
				os.Truncate(path, 8192)
			}
		}
	})
	faults := 0
	for range 10_000 {
		b, err := Bind[bool](attached, Ref{Segment: seg.Name(), DType: Bool, Shape: Shape{rank: 1, dims: [MaxRank]int{8192}}})
		if err != nil {
			require.ErrorAs(t, err, &fault)
			faults++
			continue
		}
		b.Release()
	}
	t.Log(faults, "faults")
	close(stop)
	cutter.Wait()
	release()
	require.NoError(t, attached.Close())
}

func TestGuardedRestoresTheSetting(t *testing.T) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(false))
	seg, err := newRun(t).Create(4096)
	require.NoError(t, err)
	v, release := byteView(t, seg)
	defer release()
	for _, was := range []bool{false, true} {
		for name, f := range map[string]func([]byte) error{
			"return": func([]byte) error { return nil },
			"error":  func([]byte) error { return io.EOF },
			"panic":  func([]byte) error { panic("mine") },
		} {
			debug.SetPanicOnFault(was)
			func() {
				defer func() { recover() }()
				v.Guarded(f)
			}()
			require.Equal(t, was, debug.SetPanicOnFault(false), name)
		}
		debug.SetPanicOnFault(was)
		startTruncator(t).truncate(t, seg.Name(), 0)
		require.Error(t, v.Guarded(func(data []byte) error { sumOf(data); return nil }))
		require.Equal(t, was, debug.SetPanicOnFault(false), "fault")
		startTruncator(t).truncate(t, seg.Name(), 4096)
	}
}

// Without the guard the same truncation is the death of the process: what the
// guard's tests survive is the real thing.
func TestUnguardedTruncationKills(t *testing.T) {
	seg, err := newRun(t).Create(4096)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(dir+"/"+seg.Name(), 1)) // the rest of its page is still there
	peer := func() *exec.Cmd { return kinds[0].peer(t, seg, 0, "r", "cut", "read") }
	out, err := peer().CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "SIGBUS")
}

// What the package itself loads and stores is guarded too: making a View of bools,
// and an array of a block that was used before.
func TestTruncatedUnderThePackage(t *testing.T) {
	if assertions {
		t.Skip("not in CI: the assertion build touches released blocks in its own way")
	}
	r := newRun(t)
	seg, err := r.Create(4096)
	require.NoError(t, err)
	require.NoError(t, os.Truncate(dir+"/"+seg.Name(), 0))
	_, err = Bind[bool](seg, Ref{Segment: seg.Name(), DType: Bool, Shape: Shape{rank: 1, dims: [MaxRank]int{100}}})
	var fault *FaultError
	require.ErrorAs(t, err, &fault)

	a := r.NewArena(nil)
	x, err := Make[float64](a, 1000)
	require.NoError(t, err)
	x.Release()
	require.NoError(t, os.Truncate(dir+"/"+x.Ref().Segment, 0))
	_, err = Make[float64](a, 1000)
	require.ErrorAs(t, err, &fault)
	_, err = PutCopy(a, make([]float64, 1000))
	require.ErrorAs(t, err, &fault)
	require.Zero(t, a.Stats().Live)
}

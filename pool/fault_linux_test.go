package pool

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

type faultIn struct {
	How  string
	A    shm.View[int32]
	More [2]struct{ X shm.View[float64] }
	Out  shm.Array[int16]
}

var touch = Func("test.touch", func(t *Task, in faultIn) (float64, error) {
	x := in.More[1].X.Data()
	switch in.How {
	case "store":
		x[7] = 1
	case "store to row":
		in.More[1].X.Row(1).Data()[2] = 1
	case "copy":
		copy(in.A.Data(), []int32{1, 2, 3})
	case "load":
		return x[len(x)-1], nil
	case "output":
		in.Out.Data()[3000] = 1
	case "nil":
		var p *[8]int
		p[1] = 1
	case "elsewhere":
		mem, err := unix.Mmap(-1, 0, 4096, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
		if err != nil {
			return 0, err
		}
		defer unix.Munmap(mem)
		mem[100] = 1
	case "goroutine":
		done := make(chan struct{})
		go func() { x[7] = 1; close(done) }()
		<-done
	case "pid":
		return float64(os.Getpid()), nil
	}
	return 0, nil
})

// bindWhole makes an array of a whole segment that is not an arena's.
func bindWhole[T shm.Element](t *testing.T, seg *shm.Segment, dims ...int) shm.Array[T] {
	t.Helper()
	a, err := shm.BindArray[T](seg, shm.Ref{Segment: seg.Name(), DType: shm.DTypeOf[T](), Shape: shapeOf(t, dims...)})
	require.NoError(t, err)
	return a
}

// A fault inside an argument is the task's own error, and says where.
func TestFaults(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	a, err := shm.PutCopy(p.Arena(), []int32{7, 8, 9})
	require.NoError(t, err)
	defer a.Release()
	x, err := shm.Make[float64](p.Arena(), 2, 5)
	require.NoError(t, err)
	defer x.Release()
	in := faultIn{A: a.View()}
	in.More[1].X = x.View()
	ask := func(how string, in faultIn) (float64, error) {
		in.How = how
		f, err := touch.Submit(background(), p, in)
		require.NoError(t, err)
		return f.Wait(background())
	}
	before, err := ask("pid", in)
	require.NoError(t, err)

	for how, want := range map[string]string{
		"store":        "store to element 7, at [1 2], of input faultIn.More[1].X: inputs are read-only",
		"store to row": "store to element 7, at [1 2], of input faultIn.More[1].X: inputs are read-only",
		"copy":         "of input faultIn.A: inputs are read-only", // which element comes first is copy's choice
	} {
		_, err := ask(how, in)
		var own *TaskError
		require.ErrorAs(t, err, &own, how)
		require.Equal(t, "fault", own.Kind)
		require.Contains(t, own.Text, want)
		require.Contains(t, own.Stack, "fault_linux_test.go")
	}
	require.Equal(t, []int32{7, 8, 9}, a.Data())
	_, err = ask("nil", in)
	require.ErrorContains(t, err, "test.touch: panic: runtime error: invalid memory address")

	after, err := ask("pid", in)
	require.NoError(t, err)
	require.Equal(t, before, after)
	require.Empty(t, p.Stats().Deaths)
	require.Equal(t, int64(6), p.Stats().Attempts, "a fault was tried again")
}

// Views are read-only whatever they are Views of: an array that the worker may
// write to by another argument, or has made itself. Of inputs that overlap, the
// smallest is named.
func TestStoresThroughViewsOfWritableMemory(t *testing.T) {
	for _, anonymous := range []bool{false, true} {
		p := newPool(t, &Options{Workers: 1, Arenas: Arenas{Anonymous: anonymous}})
		out, err := shm.Make[float64](p.Outputs(), 100)
		require.NoError(t, err)
		defer out.Release()
		res := makeOne(t, p, makeIn{N: 25})
		defer res.release()
		for _, x := range []shm.View[float64]{out.View(), res.Whole.View().Reshape(100)} {
			before := x.Data()[7]
			in := faultIn{How: "store"}
			in.More[0].X, in.More[1].X = x, x.Rows(0, 50)
			f, err := touch.Submit(background(), p, in)
			require.NoError(t, err)
			_, err = f.Wait(background())
			require.ErrorContains(t, err, "store to element 7 of input faultIn.More[1].X: inputs are read-only")
			require.Equal(t, before, x.Data()[7])
		}
		require.Empty(t, p.Stats().Deaths)
	}
}

// Where another program has truncated a segment, a load or store is an error.
func TestTruncatedArguments(t *testing.T) {
	oneOfBoth(t, func(t *testing.T, opts Options) {
		opts.Arenas.Anonymous = false // those nobody can truncate
		p := newPool(t, &opts)
		for _, tt := range []struct{ how, want string }{
			{"load", "load or store at element 1999 of input faultIn.More[1].X faulted: the segment was truncated"},
			{"output", "load or store at element 3000 of output faultIn.Out faulted: the segment was truncated"},
		} {
			var in faultIn
			var name string
			if tt.how == "load" {
				seg, err := p.Run().Create(16000)
				require.NoError(t, err)
				defer seg.Close()
				x := bindWhole[float64](t, seg, 2000)
				defer x.Release()
				in.More[1].X, name = x.View(), seg.Name()
			} else {
				out, err := shm.Make[int16](p.Outputs(), 4000)
				require.NoError(t, err)
				defer out.Release()
				in.Out, name = out, out.Ref().Segment
			}
			f, err := touch.Submit(background(), p, in) // the worker maps it
			require.NoError(t, err)
			_, err = f.Wait(background())
			require.NoError(t, err)
			require.NoError(t, os.Truncate("/dev/shm/"+name, 0))
			in.How = tt.how
			f, err = touch.Submit(background(), p, in)
			require.NoError(t, err)
			_, err = f.Wait(background())
			var own *TaskError
			require.ErrorAs(t, err, &own, tt.how)
			require.Equal(t, "fault", own.Kind)
			require.Equal(t, tt.want, own.Text)
		}
		require.Empty(t, p.Stats().Deaths)
	})
}

// A fault in no argument, or on a goroutine that the function started, is the
// end of a worker process.
func TestFaultsElsewhere(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Attempts: 1})
	x, err := shm.Make[float64](p.Arena(), 10)
	require.NoError(t, err)
	defer x.Release()
	for how, want := range map[string]string{"elsewhere": "panic: runtime error: ", "goroutine": "fault"} {
		in := faultIn{How: how}
		in.More[1].X = x.View()
		f, err := touch.Submit(background(), p, in)
		require.NoError(t, err)
		_, err = f.Wait(background())
		var death *WorkerExitError
		require.ErrorAs(t, err, &death, how)
		require.Equal(t, ExitFatal, death.Class)
		require.Equal(t, 2, death.ExitCode)
		require.Contains(t, death.Error(), want)
		require.Contains(t, death.Stderr, "fault_linux_test.go", "Go's report has the stack")
	}
}

// It is not the end of the supervisor.
func TestFaultInGoroutine(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Isolation: Goroutine})
	f, err := touch.Submit(background(), p, faultIn{How: "elsewhere"})
	require.NoError(t, err)
	_, err = f.Wait(background())
	var own *TaskError
	require.ErrorAs(t, err, &own)
	require.Equal(t, "panic", own.Kind)
}

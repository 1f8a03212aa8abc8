package pool

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm"
)

// Nothing of an anonymous pool has a name but its lock; inputs are read-only in
// workers, outputs and results are not; what the caller made stays as it is.
func TestAnonymous(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Arenas: Arenas{Anonymous: true}})
	named := func() []string {
		files, err := filepath.Glob("/dev/shm/handoff-" + p.Run().ID() + "*")
		require.NoError(t, err)
		return files
	}
	x, err := shm.PutCopy(p.Arena(), []float64{1, 2, 3})
	require.NoError(t, err)
	defer x.Release()
	out, err := shm.Make[int16](p.Outputs(), 4000)
	require.NoError(t, err)
	defer out.Release()
	in := faultIn{How: "output", Out: out}
	in.More[1].X = x.View()
	f, err := touch.Submit(background(), p, in)
	require.NoError(t, err)
	_, err = f.Wait(background())
	require.NoError(t, err)
	require.Equal(t, int16(1), out.Data()[3000])
	res := makeOne(t, p, makeIn{N: 10})
	res.check(t, makeIn{N: 10})
	require.Len(t, named(), 1, "the lock of the run")

	readOnly, writable := map[string]int{"r--s": 1}, map[string]int{"r--s": 1, "rw-s": 1} // Views are read-only always
	require.Equal(t, readOnly, mappingsOf(t, res.PID, x.Ref().Segment))
	require.Equal(t, writable, mappingsOf(t, res.PID, out.Ref().Segment))
	require.Equal(t, writable, mappingsOf(t, res.PID, res.Whole.Ref().Segment))
	in = faultIn{How: "copy", A: shm.View[int32]{}}
	a, err := shm.PutCopy(p.Arena(), []int32{1})
	require.NoError(t, err)
	defer a.Release()
	in.A = a.View()
	f, err = touch.Submit(background(), p, in)
	require.NoError(t, err)
	_, err = f.Wait(background())
	require.ErrorContains(t, err, "inputs are read-only")

	seg, err := p.Run().Create(4096)
	require.NoError(t, err)
	whole := bindWhole[float64](t, seg, 512)
	whole.Data()[511] = 3
	g, err := norm.Submit(background(), p, normIn{whole.View(), 1})
	require.NoError(t, err)
	v, err := g.Wait(background())
	require.NoError(t, err)
	require.Equal(t, 3.0, v)
	require.Len(t, named(), 2)
	whole.Release()
	require.NoError(t, seg.Close())

	// The result outlives its worker, without a name.
	require.NoError(t, unix.Kill(res.PID, unix.SIGKILL))
	eventually(t, func() bool { return p.Stats().Deaths[ExitSignal] == 1 }, "the death was not noticed")
	res.check(t, makeIn{N: 10})
	require.NotZero(t, p.Stats().Memory.ResultBytesMapped)
	res.release()
	require.Zero(t, p.Stats().Memory.ResultBytesMapped)
}

// A worker keeps no descriptor of what it has mapped.
func TestAnonymousKeepsNoDescriptors(t *testing.T) {
	p := newPool(t, &Options{Workers: 1, Arenas: Arenas{Anonymous: true, Inputs: &shm.ArenaOptions{SegmentBytes: 4096}}})
	before := -1
	for i := range 30 {
		x, err := shm.Make[float64](p.Arena(), 512)
		require.NoError(t, err)
		defer x.Release()
		f, err := norm.Submit(background(), p, normIn{x.View(), 1})
		require.NoError(t, err)
		_, err = f.Wait(background())
		require.NoError(t, err)
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.Stats().Workers[0].PID))
		require.NoError(t, err)
		if i == 0 {
			before = len(fds)
		}
		require.Equal(t, before, len(fds))
	}
	require.Equal(t, 30+2, strings.Count(mapsOf(t, p.Stats().Workers[0].PID), "/memfd:"), "the segments, its lane, and the doorbell")
}

// A memfd of somebody else's, which was attached by its descriptor, cannot be handed on.
func TestViewOverAttachedMemfd(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	seg, err := p.Run().CreateAnonymous(4096, shm.ReadOnly)
	require.NoError(t, err)
	defer seg.Close()
	attached, err := shm.AttachFile(seg.File(), seg.Name(), 4096, shm.ReadOnly)
	require.NoError(t, err)
	defer attached.Close()
	shape, err := shm.ShapeOf(4)
	require.NoError(t, err)
	v, err := shm.Bind[float64](attached, shm.Ref{Segment: seg.Name(), DType: shm.Float64, Shape: shape})
	require.NoError(t, err)
	defer v.Release()
	_, err = die.Submit(background(), p, dieIn{X: v.View()})
	require.ErrorContains(t, err, "is a memfd that was attached here by its descriptor")
}

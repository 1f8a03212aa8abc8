package shm

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/shm/shmtest"
)

// pythons are the Python programs to try: NumPy from the system's packages goes
// with the system's own, which need not be the first in PATH.
var pythons = []string{"/usr/bin/python3", "python3"}

var findPython = sync.OnceValue(func() string { return firstPython("import multiprocessing.shared_memory") })
var findNumPy = sync.OnceValue(func() string { return firstPython("import numpy") })

func firstPython(program string) string {
	for _, p := range pythons {
		if exec.Command(p, "-c", program).Run() == nil {
			return p
		}
	}
	return ""
}

func needPython(t testing.TB) string {
	t.Helper()
	if findPython() == "" {
		t.Skip("no python3 of version 3.8 or later is installed")
	}
	return findPython()
}

func needNumPy(t testing.TB) string {
	t.Helper()
	needPython(t)
	if findNumPy() == "" {
		t.Skip("NumPy is not installed for python3 (apt-get install python3-numpy)")
	}
	return findNumPy()
}

// A pythonPeer is a Python process that does what testdata/python/peer.py can.
type pythonPeer struct {
	t   testing.TB
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
	err strings.Builder
}

type pythonAnswer struct {
	Values  []string
	Shape   []int
	Store   string // the exception that a store raised
	Segment string
	Ref     string
	Error   string // the exception, and nothing else
}

func startPython(t testing.TB, python string) *pythonPeer {
	t.Helper()
	p := &pythonPeer{t: t, cmd: exec.Command(python, "-B", "testdata/python/peer.py")}
	p.cmd.Stderr = &p.err
	var err error
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.out = bufio.NewReader(out)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.cmd.Process.Kill(); p.in.Close(); p.cmd.Wait() })
	return p
}

func (p *pythonPeer) ask(do, how string, ref Ref) (a pythonAnswer) {
	p.t.Helper()
	raw, err := json.Marshal(ref)
	require.NoError(p.t, err)
	return p.askRaw(do, how, raw)
}

func (p *pythonPeer) askRaw(do, how string, ref json.RawMessage) (a pythonAnswer) {
	p.t.Helper()
	a = p.try(do, how, ref)
	require.Empty(p.t, a.Error, "%s %s %s", do, how, ref)
	return a
}

func (p *pythonPeer) try(do, how string, ref json.RawMessage) (a pythonAnswer) {
	p.t.Helper()
	line, err := json.Marshal(map[string]any{"do": do, "how": how, "ref": ref})
	require.NoError(p.t, err)
	_, err = p.in.Write(append(line, '\n'))
	require.NoError(p.t, err)
	answer, err := p.out.ReadBytes('\n')
	if err != nil {
		p.in.Close()
		p.cmd.Wait()
		require.NoError(p.t, err, "%s: %s", line, p.err.String())
	}
	require.NoError(p.t, json.Unmarshal(answer, &a), string(answer))
	return a
}

// make asks Python for a segment of its own.
func (p *pythonPeer) make(how string, bytes int64) (name string) {
	p.t.Helper()
	name = p.askRaw("make", how, fmt.Appendf(nil, `{"offset":%d}`, bytes)).Segment
	p.t.Cleanup(func() { os.Remove(dir + "/" + name) })
	return name
}

// end lets Python, and its resource tracker, come to their ends: both hold the
// standard error that Wait waits for.
func (p *pythonPeer) end() {
	p.t.Helper()
	require.NoError(p.t, p.in.Close())
	require.NoError(p.t, p.cmd.Wait(), p.err.String())
}

func (p *pythonPeer) kill() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Kill())
	p.cmd.Wait()
}

// A pythonCase is an array and what it holds.
type pythonCase struct {
	ref   Ref
	same  func(texts []string) error
	moved func() error // Python stored the last element in the place of the first
}

func pythonCasesOf[T Element](t testing.TB, a *Arena, values ...T) (cases []pythonCase) {
	for _, dims := range [][]int{{}, {1}, {7}, {2, 3}, {2, 1, 3}, {1, 2, 1, 2, 1, 2, 1, 2}, {0}, {3, 0, 2}} {
		x, err := Make[T](a, dims...)
		require.NoError(t, err)
		t.Cleanup(x.Release)
		for i := range x.Data() {
			x.Data()[i] = values[i%len(values)]
		}
		cases = append(cases, pythonCaseOf(x))
		if len(dims) == 2 && dims[0] > 1 { // an offset that is no multiple of a cache line
			y, err := PutCopy(a, x.Data(), dims...)
			require.NoError(t, err)
			t.Cleanup(y.Release)
			cases = append(cases, pythonCaseOf(y.Row(1)), pythonCaseOf(y.Row(0).Rows(1, 2)))
		}
	}
	return cases
}

func pythonCaseOf[T Element](x Array[T]) pythonCase {
	compare := func(texts []string, want []T) error {
		if len(texts) != len(want) {
			return fmt.Errorf("%d elements, want %d", len(texts), len(want))
		}
		for i, text := range texts {
			var got T
			if _, err := fmt.Sscan(text, &got); err != nil || fmt.Sprint(got) != fmt.Sprint(want[i]) { // NaN is not NaN
				return fmt.Errorf("element %d is %q, want %v (%v)", i, text, want[i], err)
			}
		}
		return nil
	}
	return pythonCase{
		ref:  x.Ref(),
		same: func(texts []string) error { return compare(texts, x.Data()) },
		moved: func() error {
			if n := x.Len(); n > 0 && fmt.Sprint(x.Data()[0]) != fmt.Sprint(x.Data()[n-1]) {
				return fmt.Errorf("the first element is %v, want %v", x.Data()[0], x.Data()[n-1])
			}
			return nil
		},
	}
}

func pythonCases(t testing.TB, a *Arena) []pythonCase {
	return slices.Concat(
		pythonCasesOf(t, a, true, false, false),
		pythonCasesOf[int8](t, a, math.MinInt8, -1, math.MaxInt8),
		pythonCasesOf[int16](t, a, math.MinInt16, -1, math.MaxInt16),
		pythonCasesOf[int32](t, a, math.MinInt32, -1, math.MaxInt32),
		pythonCasesOf[int64](t, a, math.MinInt64, -1, math.MaxInt64),
		pythonCasesOf[uint8](t, a, 0, 1, math.MaxUint8),
		pythonCasesOf[uint16](t, a, 0, 1, math.MaxUint16),
		pythonCasesOf[uint32](t, a, 0, 1, math.MaxUint32),
		pythonCasesOf[uint64](t, a, 0, 1, math.MaxUint64),
		pythonCasesOf(t, a, 0.1, float32(math.Inf(-1)), math.MaxFloat32, math.SmallestNonzeroFloat32),
		pythonCasesOf(t, a, 0.1, math.NaN(), math.Copysign(0, -1), math.MaxFloat64, math.SmallestNonzeroFloat64),
		pythonCasesOf[complex64](t, a, 0.5-2i, -1+0.25i, 3),
		pythonCasesOf(t, a, 0.1-2i, complex(math.MaxFloat64, math.Inf(1)), 3),
	)
}

// Python reads and writes arrays of a Go program where they lie.
func TestPythonSharesArrays(t *testing.T) {
	for _, row := range []struct {
		how   string
		store string // what a store to a read-only array raises; "": the memory is writable
		numpy bool
	}{
		{"mmap", "TypeError", false},
		{"SharedMemory", "", false},
		{"ndarray", "ValueError", true},
		{"frombuffer", "ValueError", true},
		{"ndarray over SharedMemory", "", true},
	} {
		t.Run(row.how, func(t *testing.T) {
			python := needPython(t)
			if row.numpy {
				python = needNumPy(t)
			}
			cases := pythonCases(t, newRun(t).NewArena(nil))
			peer := startPython(t, python)
			for _, c := range cases {
				empty := c.ref.Bytes() == 0
				if empty && row.how != "mmap" && row.how != "ndarray" {
					continue // there is no segment to open
				}
				got := peer.ask("read", row.how, c.ref)
				require.NoError(t, c.same(got.Values), "%+v", c.ref)
				if row.numpy {
					require.Equal(t, c.ref.Shape.Dims(), got.Shape)
				}
				if empty {
					continue
				}
				require.Equal(t, row.store, got.Store, "%+v", c.ref)
				require.NoError(t, c.same(got.Values), "a refused store was done")
				peer.ask("write", row.how, c.ref)
				require.NoError(t, c.moved(), "%+v", c.ref)
			}
			peer.end()
			for _, c := range cases {
				if c.ref.Segment != "" {
					require.NoError(t, unix.Access(dir+"/"+c.ref.Segment, unix.F_OK), "Python took the name away")
				}
			}
		})
	}
}

// What is wrong with a Ref is an error in Python, not somebody else's bytes.
func TestPythonRefusesBadRefs(t *testing.T) {
	python := needPython(t)
	x, err := Make[float64](newRun(t).NewArena(nil), 4)
	require.NoError(t, err)
	defer x.Release()
	good, err := json.Marshal(x.Ref())
	require.NoError(t, err)
	peer := startPython(t, python)
	for old, bad := range map[string]string{
		`"offset":0`:         `"offset":1048576`,
		`"generation":1`:     `"offset":-8`,
		`[4]`:                `[131073]`,
		`"shape":[4]`:        `"shape":[-2,-2]`,
		`"float64"`:          `"object"`,
		x.Ref().Segment:      x.Ref().Segment + "9",
		"handoff-":           "../shm/handoff-",
		`"dtype":"float64",`: ``,
	} {
		require.Contains(t, string(good), old)
		got := peer.try("read", "mmap", []byte(strings.Replace(string(good), old, bad, 1)))
		require.Regexp(t, "^(ValueError|KeyError|FileNotFoundError|TypeError): ", got.Error, bad)
	}
	peer.end()
}

// Go attaches to segments that Python made: sized and not reserved.
func TestPythonMakesSegments(t *testing.T) {
	for _, row := range []struct {
		how, fill, dtype string
	}{
		{"mmap", "mmap", "float64"},
		{"mmap", "mmap", "<f8"},
		{"SharedMemory", "mmap", "float64"},
		{"SharedMemory", "ndarray", "float64"}, // writes "<f8"
	} {
		t.Run(row.how+" "+row.fill+" "+row.dtype, func(t *testing.T) {
			python := needPython(t)
			if row.fill == "ndarray" {
				python = needNumPy(t)
			}
			peer := startPython(t, python)
			const n = 100000
			name := peer.make(row.how, 8*n)
			var before, after unix.Stat_t
			require.NoError(t, unix.Stat(dir+"/"+name, &before))
			require.Less(t, before.Blocks*512, before.Size, "Python reserved it: the test tests nothing")

			seg, err := Attach(name, 8*n, ReadWrite)
			require.NoError(t, err)
			defer seg.Close()
			require.NoError(t, unix.Stat(dir+"/"+name, &after))
			require.GreaterOrEqual(t, after.Blocks*512, after.Size)

			var ref Ref
			text := peer.askRaw("fill", row.fill, fmt.Appendf(nil, `{"segment":%q,"dtype":"float64","shape":[2,50000]}`, name)).Ref
			if row.dtype == "<f8" {
				text = strings.Replace(text, `"float64"`, `"<f8"`, 1)
			}
			if row.dtype == "<f8" || row.fill == "ndarray" {
				require.Contains(t, text, `"<f8"`)
			}
			require.NoError(t, json.Unmarshal([]byte(text), &ref), text)
			x, err := BindArray[float64](seg, ref)
			require.NoError(t, err)
			for i, v := range x.Data() {
				if v != float64(i) {
					t.Fatalf("element %d is %v", i, v)
				}
			}
			x.Data()[0] = 7
			small := ref
			small.Shape = Shape{rank: 1, dims: [MaxRank]int{3}}
			require.Equal(t, []string{"7.0", "1.0", "2.0"}, peer.ask("read", "mmap", small).Values)
			x.Release()
			require.NoError(t, seg.Close())
			require.NoError(t, unix.Access(dir+"/"+name, unix.F_OK), "who attached took the name away")
			peer.end()
		})
	}
}

// A segment that was only sized is refused, in words, when it is attached to;
// a store to it would die of SIGBUS.
func TestPythonSegmentInFullShm(t *testing.T) {
	python := needPython(t)
	if !shmtest.Private(t, "size=1m") {
		return
	}
	peer := startPython(t, python)
	large, small := peer.make("SharedMemory", 8<<20), peer.make("mmap", 256<<10)
	for range 2 {
		_, err := Attach(large, 0, ReadOnly)
		var space *SpaceError
		require.ErrorAs(t, err, &space)
		require.ErrorIs(t, err, unix.ENOSPC)
		for _, want := range []string{large, "asked for 8388608 bytes", "free in /dev/shm: no space left on device", "--shm-size"} {
			require.ErrorContains(t, err, want)
		}
		require.NotContains(t, err.Error(), "create")
	}
	require.Empty(t, grep(maps(t), large))
	require.Empty(t, grep(descriptors(t), large))
	require.NoError(t, unix.Access(dir+"/"+large, unix.F_OK), "a failed attach must not unlink")

	// Room is there again, and taken: the small one is whole.
	seg, err := Attach(small, 0, ReadWrite)
	require.NoError(t, err)
	junk, err := os.Create(dir + "/junk")
	require.NoError(t, err)
	_, err = io.Copy(junk, zeros{})
	require.ErrorIs(t, err, unix.ENOSPC)
	for i := range seg.mem {
		seg.mem[i] = 1
	}
	require.NoError(t, errors.Join(seg.Close(), junk.Close()))
	_, err = Attach(small, 0, ReadOnly) // nothing more is needed
	require.NoError(t, err)
	peer.kill()
}

// Python's resource tracker removes the names of what its process attached to
// when that process ends. Nobody minds a missing name.
func TestPythonTracker(t *testing.T) {
	python := needPython(t)
	if !shmtest.Private(t, "") {
		return
	}
	for _, row := range []struct {
		name, how string
		end       func(*pythonPeer)
		gone      bool
	}{
		{"tracked, exit", "SharedMemory tracked", (*pythonPeer).end, true},
		{"tracked, SIGKILL", "SharedMemory tracked", (*pythonPeer).kill, true},
		{"not tracked, exit", "SharedMemory", (*pythonPeer).end, false},
		{"not tracked, SIGKILL", "SharedMemory", (*pythonPeer).kill, false},
		{"mmap, exit", "mmap", (*pythonPeer).end, false},
		{"mmap, SIGKILL", "mmap", (*pythonPeer).kill, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRun(t)
			a := r.NewArena(nil)
			x, err := PutCopy(a, []float64{1, 2, 3})
			require.NoError(t, err)
			name := x.Ref().Segment
			reader, err := Attach(name, 0, ReadOnly)
			require.NoError(t, err)
			defer reader.Close()
			y, err := Bind[float64](reader, x.Ref())
			require.NoError(t, err)
			defer y.Release()

			peer := startPython(t, python)
			peer.ask("hold", row.how, x.Ref())
			require.Equal(t, []string{"1.0", "2.0", "3.0"}, peer.ask("values", row.how, x.Ref()).Values)
			st, err := Stat(name)
			require.NoError(t, err)
			require.Equal(t, []int{os.Getpid(), peer.cmd.Process.Pid}, slices.Sorted(slices.Values(st.MappedBy)))
			row.end(peer)

			_, err = os.Stat(dir + "/" + name)
			require.Equal(t, row.gone, errors.Is(err, fs.ErrNotExist), "%v: %s", err, peer.err.String())
			x.Data()[0] = 7
			require.Equal(t, []float64{7, 2, 3}, y.Data())
			require.Equal(t, Alive, stateOf(t, r.ID()))
			_, err = Stat(name)
			require.Equal(t, row.gone, err != nil)
			if row.gone {
				require.ErrorIs(t, err, fs.ErrNotExist)
				_, err = Attach(name, 0, ReadOnly)
				require.ErrorIs(t, err, fs.ErrNotExist)
			}
			res, err := GC(context.Background())
			require.NoError(t, err)
			require.Equal(t, GCResult{Alive: 1}, res)
			more, err := Make[float64](a, 1<<20) // another segment
			require.NoError(t, err)
			more.Release()
			require.NoError(t, a.Close())
			require.NoError(t, r.Close())
			require.Equal(t, []float64{7, 2, 3}, y.Data())
			x.Release() // its block was y's too
		})
	}
	// The same for a dead run: the tracker was faster than gc.
	id := killedRun(t, 2)
	peer := startPython(t, python)
	peer.ask("hold", "SharedMemory tracked", Ref{Segment: segmentName(id, 1), DType: Int8})
	peer.end()
	require.Len(t, filesOf(t, id), 2)
	require.Equal(t, GCResult{Runs: 1, Segments: 1, Bytes: 4096}, gcJSON(t))
	require.Empty(t, filesOf(t, ""))
}

// The Go program closes everything while Python still reads.
func TestPythonOutlivesTheOwner(t *testing.T) {
	python := needPython(t)
	r := newRun(t)
	a := r.NewArena(nil)
	x, err := PutCopy(a, []int32{1, 2, 3})
	require.NoError(t, err)
	peer := startPython(t, python)
	peer.ask("hold", "mmap", x.Ref())
	require.NoError(t, r.Close())
	require.Empty(t, filesOf(t, r.ID()))
	require.Equal(t, []string{"1", "2", "3"}, peer.ask("values", "mmap", x.Ref()).Values)
	peer.end()
	x.Release()
}

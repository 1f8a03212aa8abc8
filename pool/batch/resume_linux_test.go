package batch_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	_ "example.com/handoff/pool/batch/ops"
	"example.com/handoff/pool/journal"
	"example.com/handoff/pool/journal/journaltest"
	"example.com/handoff/shm"
)

// twice is an operation of the tests whose workers log the chunks that they do, and
// behave as a value says: 13 fails, 15 kills its worker, as long as the file
// "repaired" is not beside the log.
var twiceOf = pool.Func("batch.test.twice", func(t *pool.Task, in twiceIn) (arrowipc.OwnedColumn[float64], error) {
	values := in.Rows.Values.Data()
	f, err := os.OpenFile(in.Log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return arrowipc.OwnedColumn[float64]{}, err
	}
	fmt.Fprintf(f, "%d %d\n", int(values[0])/rowsOfChunk, os.Getppid())
	f.Close()
	_, err = os.Stat(filepath.Join(filepath.Dir(in.Log), "repaired"))
	out, makeErr := shm.MakeWait[float64](t.Context(), t.Arena(), len(values))
	if makeErr != nil {
		return arrowipc.OwnedColumn[float64]{}, makeErr
	}
	for i, v := range values {
		out.Data()[i] = 2 * v
		if err != nil && v == float64(in.Fails) {
			return arrowipc.OwnedColumn[float64]{}, errors.New("thirteen")
		}
		if err != nil && slices.Contains(in.Kills[:], int64(v)) && v > 0 {
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		}
	}
	return arrowipc.OwnedColumn[float64]{Values: out.Own(), Len: int64(len(values))}, nil
})

type twiceIn struct {
	Rows  arrowipc.Column[float64]
	Log   string
	Fails int64
	Kills [3]int64
}

// rowsOfChunk is that of the jobs here, whose values are the numbers of the rows.
const rowsOfChunk = 50

type twice struct {
	log    string
	fails  int64
	kills  [3]int64
	reduce bool
	sum    float64
}

var _ = batch.Register(&batch.Op{
	Name:   "twice",
	Params: []batch.Param{{Name: "log"}, {Name: "fails", Default: "-1"}, {Name: "kills", Default: "0/0/0"}, {Name: "reduce", Default: "no"}},
	Start: func(s batch.Start) (batch.Plan, error) {
		t := &twice{log: s.Params["log"], reduce: s.Params["reduce"] == "yes"}
		t.fails, _ = strconv.ParseInt(s.Params["fails"], 10, 64)
		fmt.Sscanf(s.Params["kills"], "%d/%d/%d", &t.kills[0], &t.kills[1], &t.kills[2])
		return t, nil
	},
})

func (w *twice) Passes() []batch.Pass {
	p := batch.Pass{Map: w.run, Output: []arrow.Field{{Name: "n", Type: arrow.PrimitiveTypes.Float64}}}
	if w.reduce {
		p.Output = nil
		p.Merge = func(_ int, partial []byte) error {
			w.sum = 3*w.sum + float64(binary.LittleEndian.Uint64(partial)) // as no other order
			return nil
		}
	}
	return []batch.Pass{p}
}

func (w *twice) Result([]bool) (any, error) { return w.sum, nil }

func (w *twice) run(ctx context.Context, p batch.Piece) (batch.Pending, error) {
	col, err := arrowipc.ColumnOf[float64](p.Alloc, p.Rows[0])
	if err != nil {
		return nil, err
	}
	f, err := twiceOf.Submit(ctx, p.Pool, twiceIn{col, w.log, w.fails, w.kills})
	return func(ctx context.Context) (part batch.Outcome, err error) {
		c, err := f.Wait(ctx)
		if err != nil {
			return part, err
		}
		if w.reduce {
			sum := uint64(0)
			for _, v := range c.Values.Data() {
				sum += uint64(v)
			}
			c.Values.Release()
			return batch.Outcome{Partial: binary.LittleEndian.AppendUint64(nil, sum)}, nil
		}
		out, err := batch.OutOf(c)
		return batch.Outcome{Output: []batch.Out{out}}, err
	}, err
}

// A trial is a job in a folder of its own.
type trial struct {
	Dir      string
	Op       string
	Out      string
	Rows     int
	KillAt   int // operation of the file system; 0: none
	Half     bool
	Resume   bool
	KillTime time.Duration // after it has begun; 0: never
	Keep     bool
	Bare     bool // without a state folder
	LeaveOut bool // lines that cannot be parsed
}

func (tr trial) job() batch.Job {
	job := batch.Job{
		Inputs: []string{filepath.Join(tr.Dir, "in.csv")}, Op: strings.ReplaceAll(tr.Op, "LOG", filepath.Join(tr.Dir, "log")),
		ChunkRows: rowsOfChunk, Out: filepath.Join(tr.Dir, tr.Out), State: filepath.Join(tr.Dir, "state"), Resume: tr.Resume, KeepState: tr.Keep,
		Pool: pool.Options{Workers: 2},
	}
	if tr.Bare {
		job.State = ""
	}
	if tr.LeaveOut {
		job.InputQuarantine = filepath.Join(tr.Dir, "bad.csv")
	}
	return job
}

// newTrial writes the input.
func newTrial(t *testing.T, op, out string, rows int) trial {
	t.Helper()
	tr := trial{Dir: t.TempDir(), Op: op, Out: out, Rows: rows}
	var b strings.Builder
	b.WriteString("n\n")
	for i := range rows {
		fmt.Fprintln(&b, i)
	}
	require.NoError(t, os.WriteFile(filepath.Join(tr.Dir, "in.csv"), []byte(b.String()), 0o600))
	return tr
}

const trialKey = "HANDOFF_TEST_TRIAL"

func init() { batch.RunTrial = runTrial }

// runTrial is the process that start starts.
func runTrial(text string) int {
	var tr trial
	if err := json.Unmarshal([]byte(text), &tr); err != nil {
		panic(err)
	}
	job := tr.job()
	if tr.KillAt > 0 {
		job.FS = journaltest.KillAt(tr.KillAt, tr.Half)
	}
	res, err := batch.Run(context.Background(), job)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	json.NewEncoder(os.Stdout).Encode(res.Summary)
	return 0
}

// start runs the job in a process of its own. killed: by SIGKILL.
func (tr trial) start(t *testing.T) (s batch.Summary, killed bool) {
	t.Helper()
	s, _, killed = tr.startAs(t)
	return s, killed
}

func (tr trial) startAs(t *testing.T) (s batch.Summary, pid int, killed bool) {
	t.Helper()
	b, err := json.Marshal(tr)
	require.NoError(t, err)
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), trialKey+"="+string(b))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	require.NoError(t, cmd.Start())
	if tr.KillTime > 0 {
		timer := time.AfterFunc(tr.KillTime, func() { cmd.Process.Signal(unix.SIGKILL) })
		defer timer.Stop()
	}
	err = cmd.Wait()
	if ws, ok := cmd.ProcessState.Sys().(interface{ Signaled() bool }); err != nil && ok && ws.Signaled() {
		return s, cmd.Process.Pid, true
	}
	require.NoError(t, err, errs.String())
	require.NoError(t, json.Unmarshal(out.Bytes(), &s), out.String())
	return s, cmd.Process.Pid, false
}

func (tr trial) output(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tr.Dir, tr.Out))
	require.NoError(t, err)
	return string(b)
}

// executed are the chunks that workers have begun, with how often. Those of a killed
// supervisor may go on for a moment, and do not count where by is another process.
func (tr trial) executed(t *testing.T, by int) map[int64]int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(tr.Dir, "log"))
	if !errors.Is(err, os.ErrNotExist) {
		require.NoError(t, err)
	}
	n := map[int64]int{}
	for line := range strings.Lines(string(b)) {
		var chunk int64
		var parent int
		fmt.Sscan(line, &chunk, &parent)
		if by == 0 || parent == by {
			n[chunk]++
		}
	}
	return n
}

// committed are the chunks that a killed run has made durable.
func (tr trial) committed(t *testing.T) (done [][2]int64) {
	t.Helper()
	j, err := journal.Open(filepath.Join(tr.Dir, "state"), nil)
	if errors.Is(err, journal.ErrNone) {
		return nil
	}
	require.NoError(t, err)
	done, err = batch.Commits(j)
	require.NoError(t, err)
	require.NoError(t, j.Close())
	return done
}

// nothingLeft holds a job that is done to leave the input and the output alone.
func (tr trial) nothingLeft(t *testing.T) {
	t.Helper()
	entries, err := os.ReadDir(tr.Dir)
	require.NoError(t, err)
	var names []string
	for _, e := range entries {
		if e.Name() != "log" && e.Name() != "repaired" {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	want := []string{"in.csv", tr.Out}
	slices.Sort(want)
	require.Equal(t, want, names)
}

func soak() bool { return os.Getenv("HANDOFF_SOAK") != "" }

// A supervisor that is killed before, or in the middle of, any operation on the
// journal or the output, and resumed, gives the same bytes, and runs no chunk again
// that was committed.
func TestKilledAtEveryStep(t *testing.T) {
	for i, tt := range []struct{ op, out string }{
		{"twice:log=LOG", "out.csv"},
		{"twice:log=LOG", "out.arrow"},
		{"twice:log=LOG,reduce=yes", "out.json"},
		{"zscore", "z.csv"},
		{"rolling:window=60,stat=median", "r.arrow"},
	} {
		t.Run(tt.op[:5]+tt.out, func(t *testing.T) {
			t.Parallel()
			whole := newTrial(t, tt.op, tt.out, 600)
			_, killed := whole.start(t)
			require.False(t, killed)
			want := whole.output(t)
			whole.nothingLeft(t)

			stride := 3
			if soak() {
				stride = 1
			}
			steps := 0
			for n := 1 + i%stride; ; n += stride {
				tr := newTrial(t, tt.op, tt.out, 600)
				tr.KillAt, tr.Half = n, n/stride%2 == 0
				if _, killed := tr.start(t); !killed {
					require.Equal(t, want, tr.output(t))
					break
				}
				steps++
				committed := tr.committed(t)
				tr.KillAt, tr.Resume = 0, true
				s, pid, killed := tr.startAs(t)
				require.False(t, killed)
				require.Equal(t, want, tr.output(t), "killed at operation %d", n)
				tr.nothingLeft(t)
				again := tr.executed(t, pid)
				for _, c := range committed {
					require.Zero(t, again[c[1]], "chunk %d was committed and done again, killed at operation %d", c[1], n)
				}
				if s.Attempts > 0 { // else all was done
					require.EqualValues(t, len(committed), s.ChunksReused)
				}
				for chunk, n := range again {
					require.Equal(t, 1, n, "chunk %d", chunk)
				}
			}
			require.Greater(t, steps, 5)
			t.Logf("%d steps", steps)
		})
	}
}

// Killed at any time, again and again, a job makes progress and gives the same bytes.
func TestKilledAtAnyTime(t *testing.T) {
	times, most := 8, 60*time.Millisecond
	if soak() {
		times, most = 200, 500*time.Millisecond
	}
	rows := 40_000
	whole := newTrial(t, "zscore", "z.csv", rows)
	whole.start(t)
	tr := newTrial(t, "zscore", "z.csv", rows)
	kills := 0
	for range times {
		tr.KillTime = time.Duration(rand.Int64N(int64(most))) + 1
		_, killed := tr.start(t)
		tr.Resume = true
		if !killed { // start over
			require.Equal(t, whole.output(t), tr.output(t))
			tr.nothingLeft(t)
			tr.Resume = false
		} else {
			kills++
		}
	}
	before := len(tr.committed(t))
	tr.KillTime, tr.Resume = 0, true
	s, killed := tr.start(t)
	require.False(t, killed)
	require.Equal(t, whole.output(t), tr.output(t))
	require.EqualValues(t, before, s.ChunksReused)
	tr.nothingLeft(t)
	t.Logf("%d kills, %d of %d chunks were done by then", kills, before, s.Chunks)
}

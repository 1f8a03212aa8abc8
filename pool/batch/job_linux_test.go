package batch

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
)

func TestMain(m *testing.M) {
	pool.Main()
	if RunTrial != nil && os.Getenv("HANDOFF_TEST_TRIAL") != "" {
		os.Exit(RunTrial(os.Getenv("HANDOFF_TEST_TRIAL")))
	}
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE")) // for the workers
	goleak.VerifyTestMain(m)
}

// count counts rows, and fails when a value is 13. 14 kills its worker at the first
// attempt, 15 always, 16 among more than 100 rows.
var countRows = pool.Func("batch.test.count", func(t *pool.Task, c arrowipc.Column[float64]) (int64, error) {
	for _, v := range c.Values.Data() {
		if v == 13 {
			return 0, errors.New("thirteen")
		}
		if v == 14 && t.Attempt() == 1 || v == 15 || v == 16 && c.Len > 100 {
			os.Exit(0)
		}
	}
	return c.Len, nil
})

// counter is the operation "count" of the tests: rows of each column.
type counter struct {
	rows    []int64
	columns []Column
}

var _ = Register(&Op{Name: "count", Doc: "for the tests", Start: func(s Start) (Plan, error) {
	return &counter{rows: make([]int64, len(s.Columns)), columns: s.Columns}, nil
}})

func (c *counter) Passes() []Pass {
	return []Pass{{Map: c.count, Merge: func(i int, partial []byte) error {
		n, _ := binary.Varint(partial)
		c.rows[i] += n
		return nil
	}}}
}

func (c *counter) count(ctx context.Context, p Piece) (Pending, error) {
	col, err := arrowipc.ColumnOf[float64](p.Alloc, p.Rows[0])
	if err != nil {
		return nil, err
	}
	f, err := countRows.Submit(ctx, p.Pool, col)
	return func(ctx context.Context) (Outcome, error) {
		n, err := f.Wait(ctx)
		return Outcome{Partial: binary.AppendVarint(nil, n)}, err
	}, err
}

func (c *counter) Result(keep []bool) (any, error) {
	m := map[string]int64{}
	for i, k := range keep {
		if k {
			m[c.columns[i].Name] = c.rows[i]
		}
	}
	return m, nil
}

func csvFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "in.csv")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// noResidue holds a job to leave nothing in /dev/shm.
func noResidue(t *testing.T) {
	t.Helper()
	list := func() []string {
		all, err := filepath.Glob("/dev/shm/handoff-*")
		require.NoError(t, err)
		var ours []string
		for _, f := range all {
			b, _ := os.ReadFile(strings.TrimSuffix(f, filepath.Ext(f)) + ".lock")
			var pid int
			fmt.Sscan(string(b), &pid)
			other := pid != os.Getpid() && unix.Kill(pid, 0) == nil // the same tests in another folder
			if strings.Contains(string(b), "batch.test") && !other {
				ours = append(ours, f)
			}
		}
		return ours
	}
	before := list()
	t.Cleanup(func() { require.Subset(t, before, list()) }) // what a killed process left may be gone meanwhile
}

func TestRun(t *testing.T) {
	noResidue(t)
	long := "a,b\n" + strings.Repeat("1,2\n", 10000)
	for name, row := range map[string]struct {
		text      string
		want      any
		err       string
		deaths    map[pool.ExitClass]int64
		chunkRows int
	}{
		"one chunk":            {text: "a,b\n1,2\n3,4\n", want: map[string]int64{"a": 2, "b": 2}},
		"many chunks":          {text: long, chunkRows: 7, want: map[string]int64{"a": 10000, "b": 10000}},
		"text late":            {text: "a,b\n1,\n2,\n3,x\n", chunkRows: 1, want: map[string]int64{"a": 3}},
		"no rows":              {text: "a\n", want: map[string]int64{"a": 0}},
		"no numbers":           {text: "a\nx\n", err: "in.csv: no column holds numbers"},
		"a task fails":         {text: long + "13,1\n", chunkRows: 100, err: "thirteen"},
		"the file is bad":      {text: long + "x,1\n", chunkRows: 100, err: `in.csv:10002: column 1 "a": "x" is not a number`},
		"a worker dies":        {text: long + "14,1\n" + long[4:], chunkRows: 100, want: map[string]int64{"a": 20001, "b": 20001}, deaths: map[pool.ExitClass]int64{pool.ExitStatus: 1}},
		"ragged, and thirteen": {text: "a,b\n13,2\n1\n", chunkRows: 1, err: "in.csv"},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "ragged, and thirteen" {
				row.err = ""
			}
			rows := int64(0)
			res, err := Run(context.Background(), Job{
				Inputs: []string{csvFile(t, row.text)}, Op: "count", ChunkRows: row.chunkRows,
				Pool:     pool.Options{Workers: 2},
				Progress: func(p Progress) { rows = p.Rows },
			})
			if row.want == nil {
				require.Error(t, err)
				require.ErrorContains(t, err, row.err)
				require.Nil(t, res.Value)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, res.Value)
			require.Equal(t, res.Summary.Rows, rows)
			if row.deaths == nil {
				row.deaths = map[pool.ExitClass]int64{}
			}
			require.Equal(t, row.deaths, res.Summary.Deaths)
		})
	}
}

func TestRunRefuses(t *testing.T) {
	_, err := Run(context.Background(), Job{Op: "count"})
	require.ErrorContains(t, err, "no input")
	_, err = Run(context.Background(), Job{Op: "none", Inputs: []string{"x"}})
	require.ErrorIs(t, err, ErrUnknownOp)
	require.Panics(t, func() { Register(&Op{Name: "count", Start: func(Start) (Plan, error) { return nil, nil }}) })
	_, err = Run(context.Background(), Job{Op: "count", Inputs: []string{csvFile(t, "a\n1\n"), csvFile(t, "b\n1\n")}})
	require.ErrorContains(t, err, `column "b"`)
}

func TestRunCancelled(t *testing.T) {
	noResidue(t)
	ctx, cancel := context.WithCancel(context.Background())
	_, err := Run(ctx, Job{
		Inputs: []string{csvFile(t, "a\n"+strings.Repeat("1\n", 100000))}, Op: "count", ChunkRows: 10,
		Progress: func(p Progress) {
			if p.Rows > 1000 {
				cancel()
			}
		},
	})
	require.ErrorIs(t, err, context.Canceled)
}

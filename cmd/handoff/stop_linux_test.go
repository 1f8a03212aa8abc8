package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

// When a job is stopped, by a signal or the failure of a chunk with halt soon, the chunks
// that run are finished, whole, and no other begins.
func TestStoppedJobBeginsNothing(t *testing.T) {
	var b strings.Builder
	b.WriteString("a,b\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "%d,%d\n", i+1, i+1)
	}
	in := write(t, "in.csv", b.String())
	for name, row := range map[string]struct {
		op    string
		halt  batch.Halt
		drain bool
		err   string
		tasks int64 // of two columns each; of drain
	}{
		"drain":     {"test-fussy:wait=41", batch.HaltNow, true, batch.ErrDrained.Error(), 10},
		"halt soon": {"test-fussy:fail=13,wait=21", batch.HaltSoon, false, "fussy about 13", 0},
	} {
		t.Run(name, func(t *testing.T) {
			d, gate := t.TempDir(), write(t, "gate", "")
			var attempts atomic.Int64
			drain := make(chan struct{})
			started := make(chan *pool.Pool, 1)
			job := batch.Job{
				Inputs: []string{in}, Op: row.op + ",file=" + gate, ChunkRows: 10, Out: filepath.Join(d, "out.arrow"), State: filepath.Join(d, "state"),
				Halt: row.halt, DrainTime: time.Hour, Drain: drain,
				Started: func(p *pool.Pool) { started <- p },
				Pool:    pool.Options{Workers: 1, Replacement: pool.Replacement{KeepWidth: true}, OnAttempt: func(pool.Attempt) { attempts.Add(1) }},
			}
			ended := make(chan error)
			go func() { _, err := batch.Run(t.Context(), job); ended <- err }()
			p := <-started
			await := func(what string, f func() bool) {
				t.Helper()
				require.Eventually(t, f, time.Minute, time.Millisecond, what)
			}
			if row.drain {
				await("the first of two columns waits", func() bool { return attempts.Load() == row.tasks-2 && p.Stats().Attempts == row.tasks-1 })
				close(drain)
			}
			// Of halt soon the chunk behind the one that fails may or may not have begun.
			await("the queue is emptied", func() bool { return p.Stats().Cancelled > 0 && p.Stats().Unresolved <= 1 })
			require.NoError(t, os.Remove(gate))
			require.ErrorContains(t, <-ended, row.err)

			done, err := batch.ReadState(job.State)
			require.NoError(t, err)
			var chunks []int64
			for _, p := range done.Passes {
				chunks = append(chunks, p.Chunks...)
			}
			job.Op, job.Resume, job.Drain, job.Started = row.op+",file="+gate, true, nil, nil
			if row.halt == batch.HaltSoon {
				require.Contains(t, []int{1, 2}, len(chunks), "all but the one that failed")
				whole := int64(2 * len(chunks))
				require.Contains(t, []int64{whole + 1, whole + 2}, attempts.Load(), "and of that one the first column or both")
				return
			}
			require.Equal(t, row.tasks, attempts.Load())
			require.Len(t, chunks, 5)
			res, err := batch.Run(t.Context(), job)
			require.NoError(t, err)
			require.EqualValues(t, 5, res.Summary.ChunksReused)
			require.EqualValues(t, 1000, res.Summary.Rows)
		})
	}
}

// How far a job is never falls, over passes and inputs, and is all of it in the end.
func TestProgressOfPasses(t *testing.T) {
	first, second := numbers(t, 1000), numbers(t, 500)
	var last batch.Progress
	job := batch.Job{
		Inputs: []string{first, second}, Op: "zscore", ChunkRows: 50, Out: filepath.Join(t.TempDir(), "out.csv"), Pool: pool.Options{Workers: 2},
		Progress: func(p batch.Progress) {
			require.GreaterOrEqual(t, p.Done, last.Done)
			require.Positive(t, p.Total)
			if last.Total != 0 {
				require.Equal(t, last.Total, p.Total)
			}
			last = p
		},
	}
	_, err := batch.Run(t.Context(), job)
	require.NoError(t, err)
	require.Equal(t, 1, last.Pass)
	require.Equal(t, last.Total, last.Done)
}

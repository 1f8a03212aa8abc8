package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool"
)

// By gob every worker has the array for itself, by Ref there is one for all.
func TestMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory grows with the array")
	}
	held(t)
	const size = 16 << 20
	last, calls := -1, 0
	r, err := Memory(background(), &MemoryOptions{Bytes: size, Workers: []int{3, 1}, Progress: func(done, total int, text string) {
		require.Equal(t, 4, total)
		require.Equal(t, done == total, text == "")
		require.Greater(t, done, last)
		last, calls = done, calls+1
	}})
	require.NoError(t, err)
	require.Equal(t, 5, calls)
	require.Len(t, r.Results, 4)
	for i, x := range r.Results {
		require.Equal(t, []string{"gob", "gob", "shm", "shm"}[i], x.Strategy)
		require.Equal(t, []int{1, 3, 1, 3}[i], x.Workers)
		arrays := func(with, without int64) float64 { return float64(with-without) / size }
		pss, private := arrays(x.PSSBytes, x.BasePSSBytes), arrays(x.PrivateBytes, x.BasePrivateBytes)
		if x.Strategy == "gob" { // one here, one in each worker, whose slice has room to spare
			require.Greater(t, pss, 0.9+float64(x.Workers), "%+v", x)
			require.Less(t, pss, 1.5+2*float64(x.Workers), "%+v", x)
			require.InDelta(t, pss, private, 0.2, "%+v", x)
		} else {
			require.InDelta(t, 1, pss, 0.25, "%+v", x)
			require.InDelta(t, 0, private, 0.25, "%+v", x)
		}
	}
	require.Len(t, r.Growth, 2)
	require.Equal(t, "grows", r.Growth[0].Verdict)
	require.Greater(t, r.Growth[0].PSSPerWorker, 0.8)
	require.Equal(t, "flat", r.Growth[1].Verdict)
	require.Contains(t, r.Verdict, "with shm memory is flat")

	var table, text bytes.Buffer
	require.NoError(t, r.WriteTable(&table))
	require.Contains(t, table.String(), "gob: grows, ")
	require.Contains(t, table.String(), "shm: flat, ")
	require.NoError(t, r.WriteJSON(&text))
	var back MemoryReport
	require.NoError(t, json.Unmarshal(text.Bytes(), &back))
	require.Equal(t, *r, back)
}

func TestMemoryJudge(t *testing.T) {
	r := &MemoryReport{Bytes: 100, Results: []MemoryResult{
		{"gob", 1, 100, 250, 240, 50, 40}, {"gob", 2, 100, 360, 340, 60, 40}, {"gob", 4, 100, 580, 540, 80, 40},
		{"shm", 1, 100, 150, 40, 50, 40}, {"shm", 2, 100, 184, 40, 60, 40}, {"shm", 4, 100, 252, 40, 80, 40},
	}}
	r.judge()
	require.Len(t, r.Growth, 2)
	require.InDelta(t, 1, r.Growth[0].PSSPerWorker, 1e-9)
	require.InDelta(t, 1, r.Growth[0].PrivatePerWorker, 1e-9)
	require.Equal(t, "grows", r.Growth[0].Verdict)
	require.InDelta(t, 0.24, r.Growth[1].PSSPerWorker, 1e-9)
	require.Equal(t, "flat", r.Growth[1].Verdict)
	r.Results[5].PSSBytes += 10
	r.judge()
	require.Equal(t, "grows", r.Growth[1].Verdict)
}

func TestMemoryOptions(t *testing.T) {
	for _, o := range []*MemoryOptions{nil, {}, {Bytes: 8 << 20}, {Workers: []int{2, 1, 2}}} {
		require.NoError(t, o.Validate(), "%+v", o)
	}
	for want, o := range map[string]*MemoryOptions{
		"an array of 4096 bytes":      {Bytes: 4096},
		"an array of 8388609 bytes":   {Bytes: 8<<20 + 1},
		"workers [2], expected two":   {Workers: []int{2, 2}},
		"workers [0 1], expected two": {Workers: []int{1, 0}},
		"workers [1 65]":              {Workers: []int{1, 65}},
	} {
		require.ErrorContains(t, o.Validate(), want)
	}
	_, err := Memory(background(), &MemoryOptions{Bytes: 1 << 60})
	require.ErrorContains(t, err, "choose a smaller size")
}

func TestMemoryCancelled(t *testing.T) {
	held(t)
	mine := errors.New("mine")
	ctx, cancel := context.WithCancelCause(background())
	defer cancel(nil)
	err := within(t, func() error {
		_, err := Memory(ctx, &MemoryOptions{Bytes: 8 << 20, Progress: func(done, _ int, _ string) {
			if done == 1 {
				time.AfterFunc(10*time.Millisecond, func() { cancel(mine) })
			}
		}})
		return err
	})
	require.ErrorIs(t, err, mine)
}

// A worker that dies with the array, or before it has one, ends it.
func TestMemoryWorkerDies(t *testing.T) {
	for _, before := range []bool{true, false} {
		t.Run(fmt.Sprintf("before=%v", before), func(t *testing.T) {
			held(t)
			p, err := pool.New(background(), &pool.Options{Workers: 2, Attempts: 1})
			require.NoError(t, err)
			pids, err := allReady(background(), p, 2)
			require.NoError(t, err)
			if before {
				stop(t, pids[0]) // it takes its task and does not connect
				time.AfterFunc(20*time.Millisecond, func() { unix.Kill(pids[0], unix.SIGKILL) })
			}
			dir := t.TempDir()
			err = within(t, func() error {
				h, err := handAll(background(), p, dir, 2, before, 8<<20)
				if err != nil {
					return err
				}
				if !before {
					unix.Kill(pids[0], unix.SIGKILL)
				}
				return h.end(false)
			})
			if !before || err != nil { // a task that it has not begun goes to another
				require.ErrorIs(t, err, pool.ErrWorkerDied)
			}
			require.NoError(t, within(t, func() error { return p.Close(background()) }))
		})
	}
}

func TestParseMemory(t *testing.T) {
	m, err := parseMemory("5587 ---p 00000000 00:00 0    [rollup]\nRss: 5 kB\nPss:  3 kB\nPss_Dirty: 9 kB\nPrivate_Clean: 1 kB\nPrivate_Dirty: 2 kB\n")
	require.NoError(t, err)
	require.Equal(t, memoryBytes{3 << 10, 3 << 10}, m)
	for _, text := range []string{"", "Pss: 3 kB\n", "Private_Dirty: 2 kB\n", "Pss: x kB\nPrivate_Dirty: 2 kB\n", "Pss: -3 kB\nPrivate_Dirty: 2 kB\n"} {
		_, err := parseMemory(text)
		require.Error(t, err, "%q", text)
	}
	m, err = readMemory([]int{os.Getpid()})
	require.NoError(t, err)
	require.Positive(t, m.private)
}

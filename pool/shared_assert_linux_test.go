//go:build handoff_assert || race

package pool

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

type keepIn struct {
	Table Shared[sharedTable]
	How   string
}

var keptOfShared struct {
	x     []float64
	note  string
	names []string
}

var keepShared = Func("test.keepShared", func(_ *Task, in keepIn) (sum float64, err error) {
	load := func() {
		switch kept := &keptOfShared; in.How {
		case "slice":
			sum = kept.x[50]
		case "bytes of a string":
			sum = float64(kept.note[0])
		case "slice of strings":
			sum = float64(len(kept.names[3]))
		}
	}
	if in.How == "keep" {
		t := in.Table.Get()
		keptOfShared.x, keptOfShared.note, keptOfShared.names = t.X, t.Note, t.Names
		return t.sum(), nil
	}
	load()
	return sum, nil
})

var loadKept = Func("test.loadKept", func(*Task, int) (sum float64, err error) {
	done := make(chan struct{})
	go func() { defer close(done); sum = keptOfShared.x[50] }()
	<-done
	return sum, nil
})

// A use of a slice or string after the task is an error, and of that task alone.
func TestSharedUsedAfterTheTask(t *testing.T) {
	for _, isolation := range []Isolation{Process, Goroutine} {
		p := newPool(t, &Options{Workers: 1, Attempts: 1, Isolation: isolation})
		table := newSharedTable(100)
		s, err := Share(p, table)
		require.NoError(t, err)
		defer s.Release()
		call := func(how string) (float64, error) {
			return keepShared.Call(context.Background(), p, keepIn{s, how})
		}
		for _, how := range []string{"slice", "bytes of a string", "slice of strings"} {
			sum, err := call("keep")
			require.NoError(t, err)
			require.Equal(t, table.sum(), sum)
			_, err = call(how)
			var own *TaskError
			require.ErrorAs(t, err, &own, how)
			require.ErrorContains(t, err, "a shared value whose task has ended", how)
		}
		require.Empty(t, settled(t, p).Deaths)
		if isolation == Process {
			_, err = loadKept.Call(context.Background(), p, 0)
			var death *WorkerExitError
			require.ErrorAs(t, err, &death)
			require.ErrorContains(t, err, "fatal error: fault")
		}
		_, err = call("keep")
		require.NoError(t, err)
	}
}

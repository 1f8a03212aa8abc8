package bench

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench/cost"
	"example.com/handoff/pool/classify"
	"example.com/handoff/shm"
)

// A report and the classifier say the same of the same payload, prices and computing.
func TestAdviceIsThatOfTheClassifier(t *testing.T) {
	r := newReport(Machine{})
	for _, bytes := range []int64{64, 1 << 20} {
		for i, s := range []string{gobReused, shmCopy, shmResident, inProcess} {
			x := Result{Strategy: s, N: int(bytes / elemBytes), Bytes: bytes, Timing: Timing{MedianNS: float64(1000*(4-i)) + float64(bytes)*0.1*float64(3-i)}}
			r.Results = append(r.Results, x)
		}
	}
	points := make([]cost.Point, len(r.Results))
	for i, x := range r.Results {
		points[i] = cost.Point{Strategy: x.Strategy, Bytes: x.Bytes, NS: x.MedianNS}
	}
	costs := cost.FromPoints(points)
	work := func(_ context.Context, in []float64) (float64, error) {
		time.Sleep(time.Millisecond)
		return in[0], nil
	}
	v, err := classify.Call(background(), work, make([]float64, 8), &classify.Options{Repeats: 1, MayCrash: true, PayloadBytes: 1 << 20, Costs: &costs})
	require.NoError(t, err)
	require.NotNil(t, v.Advice)

	r.advise(Options{payload: arrays[shm.Float64], Compute: v.Advice.Task.Compute, Isolated: true, Tasks: 7})
	require.Len(t, r.Advice, 2)
	require.Equal(t, []int64{64, 1 << 20}, []int64{r.Advice[0].Task.ValueBytes, r.Advice[1].Task.ValueBytes})
	ours := r.Advice[1]
	require.Positive(t, ours.GobNS)
	require.Equal(t, ours.Best, v.Advice.Best)
	require.Equal(t, cost.InPlace, v.Advice.Best)
	require.Equal(t, ours.Task.InPlace, v.Advice.Task.InPlace)
	// All that differs is that one has measured gob of the payload and knows the job, and the other was told the size.
	task := v.Advice.Task
	task.Gob, task.Tasks = ours.Task.Gob, 7
	require.Equal(t, ours, cost.Advise(&costs, task))
	r.Advice = nil
	r.advise(Options{payload: arrays[shm.Float64], Compute: time.Second})
	require.Equal(t, cost.Goroutine, r.Advice[1].Best)
	require.Equal(t, jobTasks, r.Advice[1].Task.Tasks)
}

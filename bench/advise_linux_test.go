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

	r.advise(Options{payload: arrays[shm.Float64], Compute: v.Advice.Task.Compute})
	require.NotNil(t, r.Advice)
	require.Positive(t, r.Advice.GobNS)
	require.Equal(t, r.Advice.Best, v.Advice.Best)
	require.Equal(t, cost.InPlace, v.Advice.Best)
	require.Equal(t, r.Advice.Task.InPlace, v.Advice.Task.InPlace)
	// All that differs is that one has measured gob of the payload, and the other was told its size.
	task := v.Advice.Task
	task.Gob = r.Advice.Task.Gob
	require.Equal(t, *r.Advice, cost.Advise(&costs, task))
}

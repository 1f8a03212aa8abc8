package bench

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	held(t)
	last, calls := -1, 0
	r, err := Run(background(), &Options{Sizes: []int64{64 << 10, 8}, Count: 3, Time: time.Millisecond, Progress: func(done, total int, text string) {
		require.GreaterOrEqual(t, done, last)
		require.LessOrEqual(t, done, total)
		require.Equal(t, done == total, text == "")
		last, calls = done, calls+1
	}})
	require.NoError(t, err)
	require.Equal(t, 100*(2+1+2*len(crossoverPairs)), last, "the end was not reported")
	require.Greater(t, calls, 1)
	require.NotEmpty(t, r.Verdicts)
	requireSchema(t, r)
	require.Len(t, r.Results, 2*len(strategies))
	for i, x := range r.Results {
		require.Equal(t, strategies[i%len(strategies)], x.Strategy)
		require.Equal(t, []int64{8, 64 << 10}[i/len(strategies)], x.Bytes)
		require.Equal(t, 2*len(strategies), x.Rounds)
		require.Len(t, x.SamplesNS, x.Rounds)
		require.Equal(t, rightAnswer, x.Answer)
		require.Positive(t, slices.Min(x.SamplesNS))
		switch x.Strategy {
		case inProcess, shmResident, sharedOnce:
			require.Zero(t, x.CopiedBytes)
		case shmCopy, shmFresh:
			require.Equal(t, x.Bytes, x.CopiedBytes)
		default:
			require.GreaterOrEqual(t, x.CopiedBytes, 2*(x.Bytes+3))
		}
	}
	require.Positive(t, r.Machine.MemoryBytes)
	require.NotEmpty(t, r.Machine.Kernel)
}

func TestRunInProcessOnly(t *testing.T) {
	held(t)
	r, err := Run(background(), &Options{Sizes: []int64{64}, Strategies: []string{inProcess}, Touch: TouchEnds, Count: 1})
	require.NoError(t, err)
	require.Empty(t, r.Crossovers)
	require.Len(t, r.Results, 1)
}

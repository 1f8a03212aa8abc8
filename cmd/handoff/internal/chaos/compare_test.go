package chaos

import (
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/batch"
)

func TestLostChunks(t *testing.T) {
	whole := &batch.State{Passes: []batch.StatePass{{Chunks: []int64{0, 1, 2}, Ended: true, Whole: 3}, {Chunks: []int64{0, 2}, Ended: true, Whole: 4}}}
	require.Equal(t, int64(2), notWhole(whole))
	less := &batch.State{Passes: []batch.StatePass{{Chunks: []int64{0, 0, 2}}}}
	require.Equal(t, int64(3), chunksOf(whole).missing(chunksOf(less)))
	require.Zero(t, chunksOf(less).missing(chunksOf(whole)))
	require.Equal(t, int64(1), chunksOf(less).twice())
}

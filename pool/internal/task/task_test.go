package task

import (
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/wire"
)

func TestTries(t *testing.T) {
	var tries Tries
	for tries.Attempt = 1; !tries.Exhausted(3); tries.Attempt++ {
		wait := tries.Died()
		require.Equal(t, tries.Deaths == 1, wait == 0, "the first death costs no time")
	}
	require.Equal(t, 3, tries.Attempt)
	tries.DiedForMemory()
	require.False(t, tries.Exhausted(3), "want of memory is not its fault")
	for range 100 {
		tries.DiedForMemory()
	}
	tries.Attempt = 3 + MostMemoryDeaths
	require.True(t, tries.Exhausted(3), "at some point it is")
	require.True(t, (&Tries{Attempt: wire.MaxAttempts}).Exhausted(1000))
}

func TestHeadDeaths(t *testing.T) {
	var tries Tries
	for range MostHeadDeaths {
		require.True(t, tries.Movable())
		require.False(t, tries.DiedBefore())
	}
	require.False(t, tries.Movable())
	require.True(t, tries.DiedBefore())
}

func TestSteal(t *testing.T) {
	for _, row := range []struct {
		name    string
		loads   []Load
		from, n int
	}{
		{"nobody", nil, 0, 0},
		{"nobody is idle", []Load{{3, 3, false}, {1, 1, false}}, 0, 0},
		{"all are idle", []Load{{}, {}}, 0, 0},
		{"half of the most", []Load{{2, 2, false}, {8, 8, false}, {}}, 1, 4},
		{"two of three", []Load{{9, 9, false}, {}, {}}, 0, 6},
		{"the only one, which runs", []Load{{1, 1, false}, {}}, 0, 0},
		{"the only one, which lies", []Load{{}, {1, 1, true}}, 1, 1},
		{"what was taken back", []Load{{5, 0, false}, {}}, 0, 0},
		{"a worker that is not asked", []Load{{-1, 0, false}, {4, 4, false}}, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			from, n := Steal(row.loads)
			require.Equal(t, []int{row.from, row.n}, []int{from, n})
		})
	}
}

package batch

import (
	"context"
	"fmt"
	"math/bits"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool"
)

// Rows that kill their workers are found and left out, of all columns; everything
// else is counted, for about 2·log₂ n attempts more each.
func TestRowsThatKill(t *testing.T) {
	noResidue(t)
	const n = 100_000
	for name, tt := range map[string]struct {
		deadly    map[int]string // column by row
		chunkRows int
	}{
		"none":                           {},
		"one":                            {deadly: map[int]string{54_321: "a"}},
		"first and last, in two columns": {deadly: map[int]string{0: "b", n - 1: "a"}, chunkRows: 1000},
		"neighbours, and both columns":   {deadly: map[int]string{777: "a", 778: "b", 779: "ab"}, chunkRows: 5000},
	} {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("a,b\n")
			for i := range n {
				values := []any{1, 2}
				for _, col := range tt.deadly[i] {
					values[col-'a'] = 15
				}
				fmt.Fprintln(&b, values[0], ",", values[1])
			}
			path := csvFile(t, strings.ReplaceAll(b.String(), " ", ""))
			res, err := Run(context.Background(), Job{
				Inputs: []string{path}, Op: "count", ChunkRows: tt.chunkRows, Quarantine: 5, Pool: pool.Options{Workers: 2},
			})
			require.NoError(t, err)
			rows := int64(n - len(tt.deadly))
			require.Equal(t, map[string]int64{"a": rows, "b": rows}, res.Value)
			require.Equal(t, rows, res.Summary.Rows)
			require.Equal(t, int64(len(tt.deadly)), res.Summary.Quarantined)
			require.Len(t, res.Quarantined, len(tt.deadly))
			for i, q := range res.Quarantined {
				require.Equal(t, path, q.Input)
				require.Contains(t, tt.deadly[int(q.Row)], q.Column)
				require.ErrorIs(t, q.Death, pool.ErrWorkerDied)
				require.True(t, i == 0 || res.Quarantined[i-1].Row < q.Row)
			}
			tasks := 2 * res.Summary.Chunks
			more := int64(2*len(tt.deadly)*(2*bits.Len(n)+4) + 2*len(tt.deadly))
			require.LessOrEqual(t, res.Summary.Attempts, tasks+more)
		})
	}
}

func TestRowsThatKillAreTooMany(t *testing.T) {
	noResidue(t)
	path := csvFile(t, "a\n"+strings.Repeat("1\n", 100)+"15\n1\n15\n1\n15\n")
	for quarantine, want := range map[int]string{0: "exit status 0", 2: "row 104 kills its worker, and 2 rows, the most that may be, are left out already"} {
		res, err := Run(context.Background(), Job{Inputs: []string{path}, Op: "count", Quarantine: quarantine, Pool: pool.Options{Workers: 2}})
		require.ErrorContains(t, err, want)
		require.ErrorIs(t, err, pool.ErrWorkerDied)
		require.Nil(t, res.Value)
	}
	_, err := Run(context.Background(), Job{Inputs: []string{path}, Op: "count", Quarantine: -1})
	require.ErrorContains(t, err, "negative")
}

// Rows that kill their workers only together are not to blame one by one: their chunk
// fails, and is not lost.
func TestRowsThatKillTogether(t *testing.T) {
	noResidue(t)
	path := csvFile(t, "a\n"+strings.Repeat("1\n", 150)+"16\n")
	res, err := Run(context.Background(), Job{Inputs: []string{path}, Op: "count", Quarantine: 5, Pool: pool.Options{Workers: 2}})
	require.ErrorIs(t, err, pool.ErrWorkerDied)
	require.ErrorContains(t, err, "rows 0 to 151")
	require.Nil(t, res.Value)
}

// A death that no row is to blame for leaves none out.
func TestInnocentRows(t *testing.T) {
	noResidue(t)
	path := csvFile(t, "a\n"+strings.Repeat("1\n", 1000)+"14\n")
	res, err := Run(context.Background(), Job{Inputs: []string{path}, Op: "count", Quarantine: 5, Pool: pool.Options{Workers: 2, Attempts: 2}})
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"a": 1001}, res.Value)
	require.Empty(t, res.Quarantined)
	require.Equal(t, map[pool.ExitClass]int64{pool.ExitStatus: 1}, res.Summary.Deaths)
}

package journal_test

import (
	"flag"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write testdata/v1.journal anew")

// TestGolden opens a journal as the first version of the format has written it.
func TestGolden(t *testing.T) {
	const name = "testdata/v1.journal"
	if *update {
		b, _ := sample(t)
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(name, b, 0o644))
	}
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	recs, cut, err := try(t, b)
	require.NoError(t, err)
	require.Zero(t, cut)
	require.Equal(t, sampleRecords, recs)
}

package tune

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCoresUnder(t *testing.T) {
	dir := t.TempDir() // four cores of two threads each
	for cpu := range 8 {
		d := filepath.Join(dir, fmt.Sprint("cpu", cpu), "topology")
		require.NoError(t, os.MkdirAll(d, 0o777))
		require.NoError(t, os.WriteFile(filepath.Join(d, "thread_siblings_list"), fmt.Appendf(nil, "%d,%d\n", cpu%4, cpu%4+4), 0o666))
	}
	for name, tt := range map[string]struct {
		may  func(cpu int) bool
		want int
	}{
		"all":                   {func(cpu int) bool { return cpu < 8 }, 4},
		"one thread of each":    {func(cpu int) bool { return cpu < 4 }, 4},
		"both of two":           {func(cpu int) bool { return cpu < 8 && cpu%4 < 2 }, 2},
		"three of two cores":    {func(cpu int) bool { return cpu == 0 || cpu == 1 || cpu == 4 }, 2},
		"one":                   {func(cpu int) bool { return cpu == 7 }, 1},
		"some that are unknown": {func(cpu int) bool { return cpu == 0 || cpu == 100 || cpu == 101 }, 3},
	} {
		require.Equal(t, tt.want, coresUnder(dir, tt.may), name)
	}
}

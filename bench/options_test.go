package bench

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "8": 8, "64B": 64, "4KiB": 4096, "1MiB": 1 << 20, "3GiB": 3 << 30, "007B": 7,
		"9223372036854775807": math.MaxInt64, "8589934591GiB": 8589934591 << 30,
	} {
		got, err := ParseSize(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got, s)
	}
	for _, s := range []string{
		"", "B", "KiB", "1XB", "1KB", "1kib", "1K", "1M", "-5", "+5", "1.5KiB", "1e3", " 1", "1 ", "1 KiB", "0x10", "1_000", "1TiB", "1BB",
		"9223372036854775808", "8589934592GiB", "99999999999999999999", "9007199254740992KiB", "٣", "1KiB\n",
	} {
		_, err := ParseSize(s)
		require.Error(t, err, "%q", s)
		require.Contains(t, err.Error(), "expected digits and B, KiB, MiB or GiB")
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 8: "8B", 1024: "1KiB", 4104: "4104B", 64 << 20: "64MiB", 1536 << 20: "1536MiB", 2 << 30: "2GiB"} {
		require.Equal(t, want, FormatSize(n))
		back, err := ParseSize(want)
		require.NoError(t, err)
		require.Equal(t, n, back)
	}
}

func FuzzParseSize(f *testing.F) {
	f.Add("64KiB")
	f.Fuzz(func(t *testing.T, s string) {
		n, err := ParseSize(s)
		if err != nil {
			return
		}
		if n < 0 {
			t.Fatalf("ParseSize(%q) = %d", s, n)
		}
		if again, err := ParseSize(FormatSize(n)); err != nil || again != n {
			t.Fatalf("%q: %d, formatted and read back %d, %v", s, n, again, err)
		}
	})
}

func TestOptions(t *testing.T) {
	var none *Options
	require.NoError(t, none.Validate())
	o, err := none.withDefaults()
	require.NoError(t, err)
	require.Equal(t, Options{Sizes: defaultSizes, Strategies: Strategies(), Touch: TouchSum, Time: defaultTime, payload: floats}, o)

	given := &Options{Sizes: []int64{4096, 8, 4096}, Strategies: []string{inProcess, gobReused, inProcess}}
	o, err = given.withDefaults()
	require.NoError(t, err)
	require.Equal(t, []int64{8, 4096}, o.Sizes)
	require.Equal(t, []string{gobReused, inProcess}, o.Strategies)
	require.Equal(t, []int64{4096, 8, 4096}, given.Sizes, "the caller's options were edited")
	require.True(t, slices.IsSorted(defaultSizes))

	for want, o := range map[string]*Options{
		`unknown strategy "telepathy", expected gob-fresh, gob-reused, pipe-raw, unix-raw, arrow-pipe, shm-fresh, shm-copy, shm-resident, value, shared, goroutine`: {Strategies: []string{"telepathy"}},
		"size 12, expected a positive multiple of the 8 bytes": {Sizes: []int64{8, 12}},
		"size 0, ":                            {Sizes: []int64{0}},
		"size -8":                             {Sizes: []int64{-8}},
		`unknown touch "all", expected "sum"`: {Touch: "all"},
		`touch "func", and payload array-float64 has no function`: {Touch: TouchFunc},
		"count -1":     {Count: -1},
		"time of -1ns": {Time: -1},
	} {
		require.ErrorContains(t, o.Validate(), want)
		_, err := Run(background(), o)
		require.ErrorContains(t, err, want)
	}
}

package stat

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFormat(t *testing.T) {
	for want, got := range map[string]string{
		"0": Number(0), "0.125": Number(0.125), "1.00": Number(1), "12.3": Number(12.34), "1234": Number(1234), "-0.0500": Number(-0.05), "NaN": Number(math.NaN()),
		"0 B": Size(int64(0)), "1 B": Size(int64(1)), "512 B": Size(int64(512)), "1023 B": Size(int64(1023)), "1.00 KiB": Size(int64(1024)), "1.53 MiB": Size(int64(1604321)), "1.00 MiB": Size(int64(1<<20 - 1)),
		"400 ns": Time(400), "1.50 ns": Time(1.5), "1.00 µs": Time(999.9), "170 µs": Time(170033), "3.00 ms": Time(3e6), "90.0 s": Time(90e9),
		"12.5 % of the 4.00 ms": PartOf(0.125, Time(4e6)), "150 % of the 1.00 s": PartOf(1.5, "1.00 s"), "75.5 times the 60.3 ns": PartOf(75.5, Time(60.3)),
		"0 %": Percent(0), "12.5 %": Percent(0.125), "0.0100 %": Percent(1e-4), "less than 0.01 %": Percent(3e-9),
	} {
		require.Equal(t, want, got)
	}
}

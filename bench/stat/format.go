package stat

import (
	"math"
	"strconv"
)

// Number writes three significant digits, and all digits before the point: "0.125",
// "12.3", "1234".
func Number(x float64) string {
	if x == 0 || math.IsNaN(x) || math.IsInf(x, 0) {
		return strconv.FormatFloat(x, 'g', -1, 64)
	}
	rounded, _ := strconv.ParseFloat(strconv.FormatFloat(x, 'e', 2, 64), 64)
	digits := max(0, 2-int(math.Floor(math.Log10(math.Abs(rounded)))))
	return strconv.FormatFloat(x, 'f', digits, 64)
}

// Size writes a number of bytes for people: "512 B", "1.53 MiB".
func Size[T int64 | float64](bytes T) string {
	if bytes < 1<<10 {
		return strconv.FormatFloat(float64(bytes), 'f', 0, 64) + " B"
	}
	return scale(float64(bytes), []unit{{1 << 40, "TiB"}, {1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}})
}

// Percent writes a share for people: 0.125 is "12.5 %".
func Percent(share float64) string {
	if 0 < share && share < 1e-4 {
		return "less than 0.01 %"
	}
	return Number(100*share) + " %"
}

// PartOf writes a share of something for people: "12.5 % of the 4.00 ms", and from twice on
// "75.5 times the 60.3 ns".
func PartOf(share float64, whole string) string {
	if share >= 2 {
		return Number(share) + " times the " + whole
	}
	return Percent(share) + " of the " + whole
}

// Time writes nanoseconds for people: "170 µs", "1.20 s".
func Time(ns float64) string {
	return scale(ns, []unit{{1e9, "s"}, {1e6, "ms"}, {1e3, "µs"}, {1, "ns"}})
}

type unit struct {
	value float64
	name  string
}

// scale writes x in the largest unit of which it is one or more after rounding.
func scale(x float64, units []unit) string {
	for _, u := range units {
		if math.Abs(x) >= 0.9995*u.value {
			return Number(x/u.value) + " " + u.name
		}
	}
	return Number(x) + " " + units[len(units)-1].name
}

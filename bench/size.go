package bench

import (
	"fmt"
	"math"
	"strconv"
)

// The units of sizes, largest first.
var sizeUnits = []struct {
	suffix string
	bytes  int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}}

// ParseSize reads a size in bytes: decimal digits, then B, KiB, MiB, GiB or
// nothing, which means bytes. Signs, fractions, blanks, other units and what
// does not fit into an int64 are errors.
func ParseSize(s string) (int64, error) {
	refuse := func(why string) (int64, error) {
		return 0, fmt.Errorf("bench: size %.40q: %s, expected digits and B, KiB, MiB or GiB", s, why)
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits == 0 {
		return refuse("no digits in front")
	}
	unit := int64(0)
	for _, u := range sizeUnits {
		if s[digits:] == u.suffix {
			unit = u.bytes
		}
	}
	if s[digits:] == "" {
		unit = 1
	}
	if unit == 0 {
		return refuse(fmt.Sprintf("unknown unit %.20q", s[digits:]))
	}
	n, err := strconv.ParseInt(s[:digits], 10, 64)
	if err != nil || n > math.MaxInt64/unit {
		return refuse("too large")
	}
	return n * unit, nil
}

// FormatSize writes a size so that [ParseSize] reads it back exactly, in the
// largest unit that divides it: "64KiB", "4104B".
func FormatSize(bytes int64) string {
	for _, u := range sizeUnits {
		if bytes >= u.bytes && bytes%u.bytes == 0 {
			return strconv.FormatInt(bytes/u.bytes, 10) + u.suffix
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

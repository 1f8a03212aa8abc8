package ops

import (
	"math"
	"strconv"
)

// A value is a number in JSON: an integer with all its digits, a float64 with the
// fewest digits that are read back as the same, or a string for what JSON has no
// number for. The zero value is null.
//
// Many readers take a number without point and exponent for an integer and keep all
// its digits. A float64 is written like that only if it is this very integer: from 2^53
// on it has an exponent, because the fewest digits may be those of another, and -0 is
// -0.0.
type value struct{ text string }

func (v value) MarshalJSON() ([]byte, error) {
	if v.text == "" {
		return []byte("null"), nil
	}
	return []byte(v.text), nil
}

func intValue[T int64 | uint64](n T) value {
	if n < 0 {
		return value{strconv.FormatInt(int64(n), 10)}
	}
	return value{strconv.FormatUint(uint64(n), 10)}
}

// floatValue is null unless ok.
func floatValue(f float64, ok bool) value {
	switch {
	case !ok:
		return value{}
	case math.IsNaN(f):
		return value{`"NaN"`}
	case math.IsInf(f, 1):
		return value{`"+Inf"`}
	case math.IsInf(f, -1):
		return value{`"-Inf"`}
	}
	format, size := byte('f'), math.Abs(f)
	if size != 0 && size < 1e-6 || size >= 1<<53 {
		format = 'e'
	}
	text := strconv.FormatFloat(f, format, -1, 64)
	if text == "-0" {
		text = "-0.0"
	}
	return value{text}
}

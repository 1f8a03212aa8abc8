package ops

import (
	"encoding/json"
	"math"
	"strconv"
)

// A value is a number in JSON: an integer with all its digits, a float64 in its
// shortest form that reads back the same, or a string for what JSON has no
// number for. The zero value is null.
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
	b, err := json.Marshal(f)
	if err != nil {
		return value{}
	}
	return value{string(b)}
}

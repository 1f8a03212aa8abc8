package files

import (
	"errors"
	"strconv"
	"strings"
)

var (
	errNotNumber = errors.New("is not a number")
	errTooLarge  = errors.New("is too large for a float64")
)

// parseNumber parses a cell without blanks around it.
func parseNumber(cell string) (float64, error) {
	if !isNumber(cell) {
		return 0, errNotNumber
	}
	v, err := strconv.ParseFloat(cell, 64)
	if err != nil {
		return 0, errTooLarge
	}
	return v, nil
}

// isNumber reports whether a cell is written as strconv.ParseFloat wants it. Unlike
// that it makes no error, which would cost more than the rest of reading a text.
// Hexadecimal and underscores, which Go allows in programs, are not numbers in a table.
func isNumber(cell string) bool {
	if strings.EqualFold(cell, "nan") {
		return true
	}
	if cell != "" && (cell[0] == '+' || cell[0] == '-') {
		cell = cell[1:]
	}
	mantissa := cell
	cell = skipDigits(cell)
	digits := len(mantissa) - len(cell)
	if cell != "" && cell[0] == '.' {
		rest := skipDigits(cell[1:])
		digits += len(cell) - 1 - len(rest)
		cell = rest
	}
	switch {
	case digits == 0:
		return len(mantissa) == len(cell) && (strings.EqualFold(cell, "inf") || strings.EqualFold(cell, "infinity"))
	case cell == "":
		return true
	case cell[0] != 'e' && cell[0] != 'E':
		return false
	}
	cell = cell[1:]
	if cell != "" && (cell[0] == '+' || cell[0] == '-') {
		cell = cell[1:]
	}
	return cell != "" && skipDigits(cell) == ""
}

func skipDigits(s string) string {
	for s != "" && s[0] >= '0' && s[0] <= '9' {
		s = s[1:]
	}
	return s
}

// commaNumber reports whether a cell would be a number without its commas, which
// stand for the point or between thousands.
func commaNumber(cell string) bool {
	return strings.Contains(cell, ",") && isNumber(strings.ReplaceAll(cell, ",", ""))
}

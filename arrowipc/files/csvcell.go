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

// parseNumber is what a cell, without blanks around it, says. Hexadecimal and
// underscores, which Go allows in programs, are not numbers in a table.
func parseNumber(cell string) (float64, error) {
	v, err := strconv.ParseFloat(cell, 64)
	switch {
	case strings.ContainsAny(cell, "_xX"):
		return 0, errNotNumber
	case errors.Is(err, strconv.ErrRange):
		return 0, errTooLarge
	case err != nil:
		return 0, errNotNumber
	}
	return v, nil
}

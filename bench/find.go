package bench

import (
	"fmt"
	"math"
)

const (
	mostN     = 1 << 48
	mostTries = 200
	// near is how far from the size that was asked for a size may be without a word.
	near = 0.005
)

// A fitting is the n whose value is largest among those of at most the size asked for.
type fitting struct {
	n     int
	bytes int64
	note  string // which sizes are possible instead; "" if it is near enough
}

// find is the n for a size in bytes. Values grow with n: it looks between an n that is too
// small and one that is too large, at where a straight line puts the size, and in the
// middle where lines don't help.
func (p *payload) find(bytes int64) (fitting, error) {
	f := func(format string, args ...any) (fitting, error) {
		return fitting{}, fmt.Errorf("payload %q: %s", p.name, fmt.Sprintf(format, args...))
	}
	if bytes <= 0 {
		return f("a size of %d bytes, expected more than 0", bytes)
	}
	first, err := p.size(1)
	switch {
	case err != nil:
		return fitting{}, err
	case first > bytes:
		return f("the smallest value, that for n = 1, takes %s, not %s", FormatSize(first), FormatSize(bytes))
	}
	if p.most > 0 {
		all, err := p.size(p.most)
		if err != nil || all <= bytes {
			return fitting{n: p.most, bytes: all, note: p.unlike(bytes, p.most, all)}, err
		}
	}
	low, lowBytes, high, highBytes := 1, first, 0, int64(0)
	for try := range mostTries {
		if high == low+1 || float64(bytes-lowBytes) <= near*float64(bytes) && lowBytes*8 > bytes {
			break
		}
		n := p.guess(try, bytes, low, lowBytes, high, highBytes)
		if p.most > 0 {
			n = min(n, p.most)
		}
		if n > mostN && lowBytes == first {
			return f("every value takes %s, not %s: it has no other size", FormatSize(first), FormatSize(bytes))
		}
		if n > mostN {
			return f("values grow too slowly: that for n = %d takes %s, not %s", low, FormatSize(lowBytes), FormatSize(bytes))
		}
		got, err := p.size(n)
		switch {
		case err != nil:
			return fitting{}, err
		case got < lowBytes:
			return f("its values don't grow: that for n = %d takes %s and that for n = %d %s", low, FormatSize(lowBytes), n, FormatSize(got))
		case high > 0 && got > highBytes:
			return f("its values don't grow: that for n = %d takes %s and that for n = %d %s", n, FormatSize(got), high, FormatSize(highBytes))
		case got <= bytes:
			low, lowBytes = n, got
		default:
			high, highBytes = n, got
		}
	}
	found := fitting{n: low, bytes: lowBytes, note: p.unlike(bytes, low, lowBytes)}
	if found.note != "" {
		found.note += fmt.Sprintf(", and n = %d %s", high, FormatSize(highBytes))
	}
	return found, nil
}

// unlike says that a size that is wanted is not that of n; "" if it is near.
func (p *payload) unlike(want int64, n int, is int64) string {
	if float64(want-is) <= near*float64(want) {
		return ""
	}
	return fmt.Sprintf("%s is no size of payload %s: n = %d takes %s", FormatSize(want), p.name, n, FormatSize(is))
}

// guess is an n above low, and below high unless that is 0.
func (p *payload) guess(try int, bytes int64, low int, lowBytes int64, high int, highBytes int64) int {
	// Twice the size at most, where it is large: a value that is much too large may not
	// fit into memory.
	const large, most = 1 << 20, 64
	if high == 0 {
		factor := float64(bytes) / max(1, float64(lowBytes))
		bound := float64(most)
		if lowBytes > large {
			bound = 2
		}
		return low + max(1, int(math.Min(float64(low)*(math.Min(factor, bound)-1), mostN)))
	}
	n := low + (high-low)/2
	if try%3 != 2 && highBytes > lowBytes { // not always: a step would be approached one by one
		n = low + int(float64(high-low)*float64(bytes-lowBytes)/float64(highBytes-lowBytes))
	}
	return min(max(n, low+1), high-1)
}

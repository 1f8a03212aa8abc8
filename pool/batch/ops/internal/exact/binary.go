package exact

import (
	"encoding/binary"
	"errors"
	"fmt"
)

var errShort = errors.New("exact: the bytes of a column end early")

// AppendBinary appends c in a few bytes more than its sums need: varints, and of S
// and Q the limbs from the first that is not 0 up to the last that its neighbour's
// sign does not tell. It never fails.
func (c *Column) AppendBinary(b []byte) ([]byte, error) {
	for _, v := range []int64{c.Sums.N, c.Sums.NaN, c.Sums.PosInf, c.Sums.NegInf, c.Nulls} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	b = append(b, byte(c.Range.Kind))
	b = binary.LittleEndian.AppendUint64(b, c.Range.Min)
	b = binary.LittleEndian.AppendUint64(b, c.Range.Max)
	return appendLimbs(appendLimbs(b, c.Sums.S[:]), c.Sums.Q[:]), nil
}

func appendLimbs(b []byte, limbs []uint64) []byte {
	from, to := 0, len(limbs)
	fill := -(limbs[to-1] >> 63)
	for to > 0 && limbs[to-1] == fill {
		to--
	}
	for from < to && limbs[from] == 0 {
		from++
	}
	b = append(b, byte(from), byte(to), byte(fill))
	for _, v := range limbs[from:to] {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// UnmarshalBinary is AppendBinary's inverse for bytes that may be anything. The
// error wraps [ErrCorrupt]; c is then as before.
func (c *Column) UnmarshalBinary(b []byte) error {
	var o Column
	for _, v := range []*int64{&o.Sums.N, &o.Sums.NaN, &o.Sums.PosInf, &o.Sums.NegInf, &o.Nulls} {
		u, n := binary.Uvarint(b)
		if n <= 0 {
			return fmt.Errorf("%w: %w", ErrCorrupt, errShort)
		}
		*v, b = int64(u), b[n:]
	}
	if len(b) < 17 {
		return fmt.Errorf("%w: %w", ErrCorrupt, errShort)
	}
	o.Range = MinMax{Kind: Kind(b[0]), Min: binary.LittleEndian.Uint64(b[1:]), Max: binary.LittleEndian.Uint64(b[9:])}
	b, err := readLimbs(b[17:], o.Sums.S[:])
	if err == nil {
		b, err = readLimbs(b, o.Sums.Q[:])
	}
	if err == nil && len(b) > 0 {
		err = fmt.Errorf("%w: %d bytes too many", ErrCorrupt, len(b))
	}
	if err == nil {
		err = o.Check()
	}
	if err == nil {
		*c = o
	}
	return err
}

func readLimbs(b []byte, limbs []uint64) (rest []byte, err error) {
	if len(b) < 3 {
		return nil, fmt.Errorf("%w: %w", ErrCorrupt, errShort)
	}
	from, to, fill := int(b[0]), int(b[1]), b[2]
	if b = b[3:]; from > to || to > len(limbs) || len(b) < 8*(to-from) || fill != 0 && fill != 0xff {
		return nil, fmt.Errorf("%w: limbs %d to %d of %d in %d bytes", ErrCorrupt, from, to, len(limbs), len(b))
	}
	for i := from; i < to; i++ {
		limbs[i], b = binary.LittleEndian.Uint64(b), b[8:]
	}
	for i := to; i < len(limbs); i++ {
		limbs[i] = -uint64(fill & 1)
	}
	return b, nil
}

package exact

import (
	"encoding/binary"
	"fmt"
)

// blockLen is how many values at most are gathered at a time: the bits of a
// word of the validity bitmap.
const blockLen = 64

// blocks walks the valid elements of values in blocks without nulls, as long as
// they come and at least one element each:
//
//	var scratch [blockLen]T
//	for block := b.next(&scratch); len(block) > 0; block = b.next(&scratch) {
//
// It is passed by value, so that each user walks from the start.
type blocks[T Number] struct {
	values []T    // those not walked yet
	valid  []byte // bit bit+i tells of values[i]; empty: all are valid
	bit    int
}

// newBlocks returns the blocks of values, or ErrBitmap.
func newBlocks[T Number](values []T, valid []byte, bitOffset int) (blocks[T], error) {
	if bits := 8 * len(valid); bits > 0 && (bitOffset < 0 || len(values) > bits-bitOffset) {
		return blocks[T]{}, fmt.Errorf("%w: %d values at bit %d of %d", ErrBitmap, len(values), bitOffset, bits)
	}
	return blocks[T]{values, valid, bitOffset}, nil
}

// next returns the next block, empty at the end. It is a part of values if that
// has no nulls in it, else a copy in scratch, which lasts until the next call.
// Every call moves forward, even if the bitmap changes under it.
func (b *blocks[T]) next(scratch *[blockLen]T) []T {
	if len(b.valid) == 0 {
		block := b.values
		b.values = nil
		return block
	}
	for len(b.values) > 0 {
		block := b.values[:min(len(b.values), blockLen)]
		all := ^uint64(0) >> (blockLen - len(block))
		word := b.load() & all
		b.values = b.values[len(block):]
		b.bit += len(block)
		switch word {
		case 0:
			continue
		case all:
			return block
		}
		// Branches on random bits would be mispredicted: copy every value, and
		// let the next one overwrite those that are null.
		k := 0
		for _, v := range block {
			scratch[k%blockLen] = v
			k += int(word & 1)
			word >>= 1
		}
		return scratch[:k]
	}
	return nil
}

// load returns the 64 bits of the bitmap from b.bit on, with zeros past its end.
func (b *blocks[T]) load() uint64 {
	var tail [9]byte
	window, shift := b.valid[b.bit/8:], b.bit%8
	if len(window) < len(tail) {
		copy(tail[:], window)
		window = tail[:]
	}
	return binary.LittleEndian.Uint64(window)>>shift | uint64(window[8])<<(64-shift)
}

package codec

import (
	"fmt"
	"strings"
)

// MaxDepth is how many pointers, slices and maps may lead to a value, one from another. A
// value that leads to itself goes deeper.
const MaxDepth = 10_000

// maxEmptyElements bounds the slices of elements without bytes, whose length nothing else
// accounts for.
const maxEmptyElements = 1<<31 - 1

// Slices of elements without pointers begin at a multiple of alignBytes, those of wideBytes
// and more at a multiple of alignWide: see the layout.
const (
	alignBytes = 8
	alignWide  = 64
	wideBytes  = 4096
)

// A walk says where in a value one is.
type walk struct {
	p      *Plan
	depth  int
	inMap  int // how many maps one is in
	frames []frame
}

type frame struct {
	o     *op
	index int // of an element; -1 in a map
}

func (w *walk) restart() {
	w.depth, w.inMap = 0, 0
	if w.frames = w.frames[:0]; cap(w.frames) > 256 {
		w.frames = nil
	}
}

func (w *walk) enter(o *op) error {
	if w.depth++; w.depth > MaxDepth {
		return w.fail(o, fmt.Errorf("more than %d pointers, slices and maps lead to it: does the value contain itself?", MaxDepth))
	}
	return nil
}

func (w *walk) leave() { w.depth-- }

func (w *walk) push(o *op) { w.frames = append(w.frames, frame{o: o}) }
func (w *walk) at(i int)   { w.frames[len(w.frames)-1].index = i }
func (w *walk) pop()       { w.frames = w.frames[:len(w.frames)-1] }

// alignment is that of a slice's elements.
func (w *walk) alignment(bytes int) int {
	if bytes >= wideBytes && w.inMap == 0 {
		return alignWide
	}
	return alignBytes
}

func (w *walk) fail(o *op, err error) error { return fmt.Errorf("%s: %w", w.path(o), err) }

// path is that of an op where one is. Of a long one the middle is left out.
func (w *walk) path(o *op) string {
	if len(w.frames) == 0 {
		return o.field
	}
	const ends = 8
	var b strings.Builder
	for i, f := range w.frames {
		if n := len(w.frames); n > 2*ends && i >= ends && i < n-ends {
			if i == ends {
				b.WriteString(" … ")
			}
			continue
		}
		b.WriteString(f.o.field)
		switch {
		case f.o.kind == opPointer:
		case f.index < 0:
			b.WriteString("[…]")
		default:
			fmt.Fprintf(&b, "[%d]", f.index)
		}
	}
	b.WriteString(o.field)
	return b.String()
}

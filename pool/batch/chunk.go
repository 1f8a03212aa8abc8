package batch

import (
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
)

// A chunk is rows of an input on their way through a pass: what is committed as one.
type chunk struct {
	index    int64 // in the pass, from 0
	input    int
	first    int64 // row of the input
	rows     int64
	rec      arrow.Record
	before   []arrow.Array // up to Pass.Halo rows before it, by column; nil if there are none
	progress Progress      // of the reader, once it has read the chunk

	pieces      []*piece
	err         error  // of an operation that failed
	died        []task // whose worker has died
	cancelled   []task // before a worker had begun them
	quarantined []Quarantined
}

// A piece is consecutive rows of a chunk, from one up to another: all of them, unless
// some are in quarantine.
type piece struct {
	from, to int64
	outcomes []Outcome // by column; one if Pass.Whole
}

// A task is what one call of Pass.Map is asked for: a column of a piece, or with
// Pass.Whole all of them.
type task struct {
	chunk  *chunk
	piece  *piece
	column int
}

// release gives back what the chunk holds.
func (c *chunk) release() {
	c.releaseOutcomes()
	c.rec.Release()
	releaseArrays(c.before)
}

func (c *chunk) releaseOutcomes() {
	for _, p := range c.pieces {
		for _, o := range p.outcomes {
			o.release()
		}
		p.outcomes = nil
	}
}

func releaseArrays(arrays []arrow.Array) {
	for _, a := range arrays {
		a.Release()
	}
}

// cut makes the pieces: all rows but those in quarantine, by row of the input.
func (c *chunk) cut(quarantined []int64) {
	c.pieces = nil
	slices.Sort(quarantined)
	from := int64(0)
	for _, row := range append(slices.Compact(quarantined), c.first+c.rows) {
		to := row - c.first
		if to > from {
			c.pieces = append(c.pieces, &piece{from: from, to: to})
		}
		from = to + 1
	}
}

// tasks are those of all pieces, whose outcomes they are to fill.
func (c *chunk) tasks(perPiece int) (tasks []task) {
	for _, p := range c.pieces {
		p.outcomes = make([]Outcome, perPiece)
		for column := range perPiece {
			tasks = append(tasks, task{c, p, column})
		}
	}
	return tasks
}

// allCancelled reports whether no task of the chunk has begun.
func (c *chunk) allCancelled(perPiece int) bool {
	return c.err == nil && len(c.cancelled) > 0 && len(c.cancelled) == len(c.pieces)*perPiece
}

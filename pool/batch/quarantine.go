package batch

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"example.com/handoff/arrowipc/files"
)

// A badLine is a line of an input that could not be parsed.
type badLine struct {
	Input int    `json:"input"`
	Line  int    `json:"line"`
	Text  []byte `json:"text"`
}

// badRow notes a line that is left out.
func (e *engine) badRow(i int, b files.BadRow) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	at := [2]int{i, b.Line}
	if e.badAt == nil {
		e.badAt = map[[2]int]bool{}
		for _, o := range e.bad {
			e.badAt[[2]int{o.Input, o.Line}] = true
		}
	}
	if e.badAt[at] { // known from an earlier pass or run
		return nil
	}
	e.badAt[at] = true
	if len(e.bad) == mostBad {
		return fmt.Errorf("%s: %d lines of the inputs cannot be parsed, the most that may be left out, and line %d", e.job.Inputs[i], mostBad, b.Line)
	}
	e.bad = append(e.bad, badLine{i, b.Line, b.Raw})
	return nil
}

// mostBad bounds what is kept of an input that is no CSV at all.
const mostBad = 100_000

// writeBad writes Job.InputQuarantine.
func (e *engine) writeBad() error {
	if e.job.InputQuarantine == "" || len(e.bad) == 0 {
		return nil
	}
	slices.SortFunc(e.bad, func(a, b badLine) int { return cmp.Or(a.Input-b.Input, a.Line-b.Line) })
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write([]string{"file", "line", "text"})
	for _, l := range e.bad {
		w.Write([]string{e.job.Inputs[l.Input], strconv.Itoa(l.Line), string(l.Text)})
	}
	if w.Flush(); w.Error() != nil {
		return w.Error()
	}
	return e.writeFile(e.job.InputQuarantine, b.Bytes())
}

// writeQuarantine writes Job.QuarantineFile.
func (e *engine) writeQuarantine() error {
	slices.SortFunc(e.left, func(a, b Quarantined) int { return cmp.Or(a.input-b.input, int(a.Row-b.Row)) })
	if e.job.QuarantineFile == "" || len(e.left) == 0 {
		return nil
	}
	format, err := files.FormatOf(e.job.QuarantineFile)
	if err != nil {
		return err
	}
	enc, err := files.NewEncoder(format, arrow.NewSchema(e.fields, nil))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.Write(enc.Head())
	var pieces []files.Piece
	for _, q := range e.left {
		p, err := writeRow(&b, enc, q.values)
		if err != nil {
			return fmt.Errorf("%s: %w", e.job.QuarantineFile, err)
		}
		pieces = append(pieces, p)
	}
	tail, err := enc.Tail(slices.Values(pieces))
	if err != nil {
		return err
	}
	b.Write(tail)
	return e.writeFile(e.job.QuarantineFile, b.Bytes())
}

func writeRow(b *bytes.Buffer, enc *files.Encoder, stream []byte) (files.Piece, error) {
	r, err := ipc.NewReader(bytes.NewReader(stream))
	if err != nil {
		return files.Piece{}, err
	}
	defer r.Release()
	if !r.Next() {
		return files.Piece{}, fmt.Errorf("%w: a row that was left out", errRecord)
	}
	return enc.WriteChunk(b, r.Record())
}

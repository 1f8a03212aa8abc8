package batch

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"example.com/handoff/arrowipc/files"
)

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

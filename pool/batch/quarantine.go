package batch

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
)

// A Quarantined is a row that was left out because it has killed two workers alone.
type Quarantined struct {
	Input  string                // its file
	Row    int64                 // in that file, from 0; a header is none
	Column string                // whose task died; "" if tasks have all columns
	Death  *pool.WorkerExitError // nil if an earlier run found it
	Reason string                // what its workers died of

	input  int
	values []byte // the row as an Arrow stream
}

// quarantinedRows returns which of some rows of an input are in quarantine.
func (t *tally) quarantinedRows(input int, first, rows int64) (quarantined []int64) {
	for _, q := range t.quarantined {
		if q.input == input && q.Row >= first && q.Row < first+rows {
			quarantined = append(quarantined, q.Row)
		}
	}
	return quarantined
}

// writeQuarantine writes Job.QuarantineFile.
func (e *engine) writeQuarantine() error {
	rows := e.tally.quarantined
	slices.SortFunc(rows, func(a, b Quarantined) int { return cmp.Or(a.input-b.input, int(a.Row-b.Row)) })
	if e.job.QuarantineFile == "" || len(rows) == 0 {
		return nil
	}
	format, err := files.FormatOf(e.job.QuarantineFile)
	if err != nil {
		return err
	}
	enc, err := files.NewEncoder(format, arrow.NewSchema(e.source.fields, nil))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	b.Write(enc.Head())
	var blocks []files.Block
	for _, q := range rows {
		block, err := writeRow(&b, enc, q.values)
		if err != nil {
			return fmt.Errorf("%s: %w", e.job.QuarantineFile, err)
		}
		blocks = append(blocks, block)
	}
	tail, err := enc.Tail(slices.Values(blocks))
	if err != nil {
		return err
	}
	b.Write(tail)
	return e.outputs.writeFile(e.job.QuarantineFile, b.Bytes())
}

func writeRow(b *bytes.Buffer, enc *files.Encoder, stream []byte) (files.Block, error) {
	r, err := ipc.NewReader(bytes.NewReader(stream))
	if err != nil {
		return files.Block{}, err
	}
	defer r.Release()
	if !r.Next() {
		return files.Block{}, fmt.Errorf("%w: a row that was left out", errRecord)
	}
	return enc.WriteChunk(b, r.Record())
}

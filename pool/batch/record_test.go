package batch

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"example.com/handoff/arrowipc/files"
)

func TestCommitRecord(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		number := rapid.Int64Range(0, 1<<62)
		small := rapid.IntRange(0, 3)
		b := rapid.SliceOf(rapid.Byte())
		c := &commit{
			pass: small.Draw(t, "pass"), index: number.Draw(t, "index"), input: small.Draw(t, "input"),
			first: number.Draw(t, "first"), rows: number.Draw(t, "rows"), tasks: 1 + small.Draw(t, "tasks"),
		}
		for range small.Draw(t, "quarantined") {
			c.quarantined = append(c.quarantined, Quarantined{
				Row: number.Draw(t, "row"), Column: rapid.String().Draw(t, "column"), Reason: rapid.String().Draw(t, "reason"), values: b.Draw(t, "values"), input: c.input,
			})
		}
		for range c.tasks * small.Draw(t, "partials") {
			c.partials = append(c.partials, b.Draw(t, "partial"))
		}
		for range small.Draw(t, "extents") {
			c.extents = append(c.extents, extent{
				chunk: c.index, off: number.Draw(t, "off"), len: number.Draw(t, "len"), crc: rapid.Uint32().Draw(t, "crc"),
				block: files.Block{Meta: number.Draw(t, "meta"), Body: number.Draw(t, "body")},
			})
		}
		rec := appendCommit(nil, c)
		got, err := readCommit(rec[1:])
		require.NoError(t, err)
		require.Equal(t, rec, appendCommit(nil, got))
		for n := range len(rec) - 1 {
			_, err := readCommit(rec[1 : 1+n])
			require.ErrorIs(t, err, errRecord)
		}
	})
}

// Whatever is in a journal's record, taking it is an error or gives what can be written again.
func FuzzTake(f *testing.F) {
	f.Add(appendCommit(nil, &commit{tasks: 1, partials: [][]byte{{1, 2}}, quarantined: []Quarantined{{Row: 3, Column: "x"}}}))
	f.Add(appendCommit(nil, &commit{pass: 1, index: 7, extents: []extent{{off: 4, len: 9, crc: 1 << 31}}}))
	f.Add([]byte(`H{"input":0,"sha256":"AA=="}`))
	f.Add([]byte(`P{"pass":0,"chunks":3,"rows":9,"text":[true],"skipped":[{"Name":"a"}],"bad":[{"line":3}]}`))
	f.Add([]byte(`S{"size":1,"summary":{"rows":2}}`))
	f.Add([]byte(`D{"rows":1}`))
	f.Fuzz(func(t *testing.T, rec []byte) {
		s := &store{header: header{Inputs: make([]input, 2)}, hashes: map[int][]byte{}}
		if s.take(rec) != nil {
			return
		}
		for _, chunks := range s.chunks {
			for _, c := range chunks {
				again, err := readCommit(appendCommit(nil, c)[1:])
				require.NoError(t, err)
				require.True(t, bytes.Equal(appendCommit(nil, c), appendCommit(nil, again)))
			}
		}
	})
}

package files

import (
	"context"
	"io"
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/ipc"
	"github.com/stretchr/testify/require"
)

// A reader that skips the records done so far goes on as one that read them.
func TestSkip(t *testing.T) {
	a, _ := newAllocator(t, 0)
	csv := "n,late,t,empty\n" + strings.Repeat("1,,x,\n", 10) + "2,text,y,\n,z,z,\n3,,,\n" + strings.Repeat("4,u,,\n", 10)
	bad := strings.ReplaceAll(csv, "3,,,\n", "3,,,\nbad,,,\n1\n\"2\"x\n")
	hook := func(BadRow) error { return nil }
	for name, c := range map[string]struct {
		content []byte
		opts    Options
	}{
		"x.arrow":  {writeFile(t), Options{}},
		"x.lz4":    {writeFile(t, ipc.WithLZ4()), Options{}},
		"x.stream": {writeStream(t), Options{Columns: []string{"u64", "f64"}}},
		"x.csv":    {[]byte(csv), Options{}},
		"bad.csv":  {[]byte(bad), Options{BadRow: hook}},
		"one.csv":  {[]byte(bad), Options{BadRow: hook, Columns: []string{"n"}}},
	} {
		path := newFile(t, name, c.content)
		for _, chunk := range []int{1, 3, 5, 8, 0} {
			o := c.opts
			o.ChunkRows = chunk
			read := func(skips ...int) ([]cells, []Skipped, []int) {
				r, err := Open(path, a, &o)
				require.NoError(t, err)
				defer r.Close()
				for _, n := range skips {
					require.NoError(t, r.Skip(context.Background(), int64(n)))
				}
				cols, sizes := make([]cells, r.Schema().NumFields()), []int(nil)
				for {
					rec, err := r.Next(context.Background())
					if err == io.EOF {
						done, total := r.BytesRead()
						require.Equal(t, total, done)
						return cols, r.Skipped(), sizes
					}
					require.NoError(t, err)
					sizes = append(sizes, int(rec.NumRows()))
					for i, arr := range rec.Columns() {
						cols[i] = append(cols[i], values(t, a, arr)...)
					}
					rec.Release()
				}
			}
			all, skipped, sizes := read(0)
			done := 0
			for k := 0; k <= len(sizes); k++ {
				got, gotSkipped, gotSizes := read(done)
				require.Equal(t, skipped, gotSkipped, "%s: %d of %v", name, k, sizes)
				require.Equal(t, len(sizes)-k, len(gotSizes))
				for i := range all {
					requireCells(t, all[i][done:], got[i])
				}
				if k > 0 { // in two steps
					got, _, _ = read(done-sizes[k-1], sizes[k-1])
					require.Len(t, got[0], len(all[0])-done)
				}
				if k < len(sizes) {
					if sizes[k] > 1 {
						r, err := Open(path, a, &o)
						require.NoError(t, err)
						err = r.Skip(context.Background(), int64(done+sizes[k]-1))
						require.ErrorContains(t, err, "ends within a record", "%s: %d of %v", name, k, sizes)
						_, again := r.Next(context.Background())
						require.Equal(t, err, again)
						require.NoError(t, r.Close())
					}
					done += sizes[k]
				}
			}
			r, err := Open(path, a, &o)
			require.NoError(t, err)
			require.ErrorContains(t, r.Skip(context.Background(), int64(done+1)), "there are")
			require.NoError(t, r.Close())
		}
	}
}

func TestSkipErrors(t *testing.T) {
	a, _ := newAllocator(t, 0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, path := range []string{shared + "small.arrow", shared + "small.csv"} {
		for want, skip := range map[string]func(r *Reader) error{
			"context canceled":  func(r *Reader) error { return r.Skip(ctx, 20) },
			"skip of -1 rows":   func(r *Reader) error { return r.Skip(context.Background(), -1) },
			"there are 20":      func(r *Reader) error { return r.Skip(context.Background(), 1<<62) },
			"read after Close:": func(r *Reader) error { r.Close(); return r.Skip(context.Background(), 1) },
		} {
			r, err := Open(path, a, nil)
			require.NoError(t, err)
			err = skip(r)
			require.ErrorContains(t, err, strings.TrimSuffix(want, ":"))
			require.ErrorContains(t, err, path)
			require.NoError(t, r.Close())
		}
	}
}

// The bodies of skipped batches are not read: they may be of any size.
func TestSkipReadsNoBodies(t *testing.T) {
	a, arena := newAllocator(t, 0)
	rec := newRecordOf(numericSchema(10), 4096, 1, noEdge)
	defer rec.Release()
	file, _ := encode(t, Arrow, rec.Schema(), rec, rec, rec)
	at := &countingReader{content: file}
	s, err := openArrowFile(&input{r: at, size: int64(len(file))}, a, &Options{ChunkRows: defaultChunkRows, ChunkBytes: defaultChunkBytes})
	require.NoError(t, err)
	defer s.close()
	require.NoError(t, s.skip(context.Background(), 2*4096))
	require.Less(t, at.read, 16<<10)
	require.Zero(t, arena.Stats().Live)
	last, err := s.next()
	require.NoError(t, err)
	require.Equal(t, int64(4096), last.NumRows())
	last.Release()
	_, err = s.next()
	require.Equal(t, io.EOF, err)
}

type countingReader struct {
	content []byte
	read    int
}

func (r *countingReader) ReadAt(b []byte, off int64) (int, error) {
	n := copy(b, r.content[off:])
	r.read += n
	return n, nil
}

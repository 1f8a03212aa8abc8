package main

import (
	"context"
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"golang.org/x/sys/unix"

	"example.com/handoff/arrowipc"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/shm"
)

// fussy gives back its rows. A value that is kill kills its worker, one that is fail
// fails, and chunks that begin with wait or more wait as long as a file is there.
var _ = batch.Register(&batch.Op{
	Name:   "test-fussy",
	Doc:    "of the tests",
	Params: []batch.Param{{Name: "kill", Default: "-1"}, {Name: "fail", Default: "-1"}, {Name: "wait", Default: "0"}, {Name: "file", Default: "none"}},
	Start: func(s batch.Start) (batch.Plan, error) {
		f := &fussy{file: s.Params["file"]}
		var errs [3]error
		f.kill, errs[0] = strconv.ParseFloat(s.Params["kill"], 64)
		f.fail, errs[1] = strconv.ParseFloat(s.Params["fail"], 64)
		f.wait, errs[2] = strconv.ParseFloat(s.Params["wait"], 64)
		for _, c := range s.Columns {
			f.output = append(f.output, arrow.Field{Name: c.Name, Type: arrow.PrimitiveTypes.Float64, Nullable: true})
		}
		return f, errors.Join(errs[:]...)
	},
})

type fussy struct {
	kill, fail, wait float64
	file             string
	output           []arrow.Field
}

type fussyIn struct {
	Rows             arrowipc.Column[float64]
	Kill, Fail, Wait float64
	File             string
}

var fussyOf = pool.Func("handoff.test.fussy", func(t *pool.Task, in fussyIn) (out arrowipc.OwnedColumn[float64], err error) {
	rows := in.Rows.Values.Data()
	for rows[0] >= in.Wait {
		if _, err := os.Stat(in.File); err != nil || t.Context().Err() != nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	values, err := shm.MakeWait[float64](t.Context(), t.Arena(), len(rows))
	if err != nil {
		return out, err
	}
	for i, v := range rows {
		switch v {
		case in.Kill:
			unix.Kill(os.Getpid(), unix.SIGKILL)
			select {}
		case in.Fail:
			return out, errors.New("fussy about " + strconv.FormatFloat(v, 'g', -1, 64))
		}
		values.Data()[i] = v
	}
	return arrowipc.OwnedColumn[float64]{Values: values.Own(), Len: int64(len(rows))}, nil
})

func (f *fussy) Passes() []batch.Pass {
	return []batch.Pass{{Output: f.output, Map: func(ctx context.Context, p batch.Piece) (batch.Pending, error) {
		c, err := arrowipc.ColumnOf[float64](p.Alloc, p.Rows[0])
		if err != nil {
			return nil, err
		}
		future, err := fussyOf.Submit(ctx, p.Pool, fussyIn{c, f.kill, f.fail, f.wait, f.file})
		return func(ctx context.Context) (batch.Outcome, error) {
			c, err := future.Wait(ctx)
			if err != nil {
				return batch.Outcome{}, err
			}
			out, err := batch.OutOf(c)
			return batch.Outcome{Output: []batch.Out{out}}, err
		}, err
	}}}
}

func (f *fussy) Result([]bool) (any, error) { return nil, nil }

package ops

import (
	"strconv"
	"strings"

	"example.com/handoff/pool/batch"
	"example.com/handoff/shm"
)

// Describe is the operation "describe". Its result is
//
//	{"columns":[{"name","dtype","count","nulls","mean","std","min","max"}…]}
//
// count is of the values that are not null. std is that of a sample, null for
// fewer than two values; mean, min and max are null without any. min and max are
// values of the column, with all digits and the sign of a zero; mean and std are the
// float64 nearest to the exact ones. A mean never overflows; a std above the largest
// float64 is "+Inf", one below half the smallest is 0. NaN and infinities give what
// IEEE 754 gives, as the strings "NaN", "+Inf", "-Inf". What is written as an integer
// is that number to the digit: a float64 from 2^53 on has an exponent, -0 is -0.0. As
// CSV it is a line for each column, null is an empty cell.
var Describe = batch.Register(&batch.Op{
	Name: "describe",
	Doc:  "count, nulls, mean, std, min and max of each column",
	Start: func(s batch.Start) (batch.Plan, error) {
		return &describe{newSums(s.Columns)}, nil
	},
})

// describe is one job.
type describe struct{ *sums }

func (d *describe) Passes() []batch.Pass { return []batch.Pass{d.pass()} }

// described is the result in JSON.
type described struct {
	Columns []describedColumn `json:"columns"`
}

type describedColumn struct {
	Name  string    `json:"name"`
	DType shm.DType `json:"dtype"`
	Count int64     `json:"count"`
	Nulls int64     `json:"nulls"`
	Mean  value     `json:"mean"`
	Std   value     `json:"std"`
	Min   value     `json:"min"`
	Max   value     `json:"max"`
}

func (d *describe) Result(keep []bool) (any, error) {
	res := described{Columns: []describedColumn{}}
	for i, c := range d.columns {
		if !keep[i] {
			continue
		}
		t := &d.totals[i]
		col := describedColumn{Name: c.Name, DType: c.DType, Count: t.Sums.N, Nulls: t.Nulls}
		col.Mean = floatValue(t.Mean())
		col.Std = floatValue(t.Sums.Std())
		if lo, hi, ok := t.Range.Int64(); ok {
			col.Min, col.Max = intValue(lo), intValue(hi)
		} else if lo, hi, ok := t.Range.Uint64(); ok {
			col.Min, col.Max = intValue(lo), intValue(hi)
		} else if lo, hi, ok := t.Range.Float64(); ok {
			col.Min, col.Max = floatValue(lo, true), floatValue(hi, true)
		}
		res.Columns = append(res.Columns, col)
	}
	return res, nil
}

// Table implements [batch.Table].
func (d described) Table() (header []string, rows [][]string) {
	for _, c := range d.Columns {
		row := []string{c.Name, c.DType.String(), strconv.FormatInt(c.Count, 10), strconv.FormatInt(c.Nulls, 10)}
		for _, v := range []value{c.Mean, c.Std, c.Min, c.Max} {
			row = append(row, strings.Trim(v.text, `"`))
		}
		rows = append(rows, row)
	}
	return []string{"name", "dtype", "count", "nulls", "mean", "std", "min", "max"}, rows
}

package batch

import (
	"fmt"
	"slices"

	"github.com/apache/arrow/go/v15/arrow"

	"example.com/handoff/arrowipc"
	"example.com/handoff/arrowipc/files"
)

// A source is the job's inputs and what reading them has shown. While a pass reads, its
// reading goroutine owns text, skipped, sawSkipped and cut; else Run's goroutine does.
// The rest does not change during a pass, but bad, which has a lock of its own.
type source struct {
	job    *Job
	alloc  *arrowipc.Allocator
	inputs []input
	ahead  *files.Reader // the first input, opened for its columns; the first pass takes it
	fields []arrow.Field
	bad    badLines

	text       []bool // by field: it turned out to be text
	skipped    []files.Skipped
	sawSkipped bool
	cut        []int // inputs without their end mark
}

// columns opens every input, so that one that does not fit is found before the work,
// and returns their columns.
func (s *source) columns() (columns []Column, err error) {
	if s.ahead, err = s.open(0); err != nil {
		return nil, err
	}
	if len(s.fields) == 0 {
		return nil, noColumn(s.job.Inputs[0], s.ahead.Skipped())
	}
	for i := range s.job.Inputs[1:] {
		in, err := s.open(i + 1)
		if err == nil {
			err = in.Close()
		}
		if err != nil {
			return nil, err
		}
	}
	for _, f := range s.fields {
		dtype, ok := arrowipc.DTypeOf(f.Type)
		if !ok {
			return nil, fmt.Errorf("batch: column %q of type %v is not numeric", f.Name, f.Type)
		}
		columns = append(columns, Column{Name: f.Name, DType: dtype})
	}
	return columns, nil
}

// open opens an input and compares it with the first one, and with what it was when
// the job began.
func (s *source) open(i int) (*files.Reader, error) {
	if r := s.ahead; i == 0 && r != nil {
		s.ahead = nil
		return r, nil
	}
	opts := &files.Options{ChunkRows: s.job.ChunkRows, Columns: s.job.Columns}
	if s.job.InputQuarantine != "" || s.bad.count() > 0 {
		opts.BadRow = func(b files.BadRow) error { return s.badRow(i, b) }
	}
	path := s.job.Inputs[i]
	r, err := files.Open(path, s.alloc, opts)
	if err != nil {
		return nil, err
	}
	if was := s.inputs[i].Identity; !was.SameContent(r.Identity()) {
		r.Close()
		return nil, fmt.Errorf("%s: %w since the job began: %s", path, files.ErrChanged, was.Diff(r.Identity()))
	}
	if s.fields == nil {
		s.fields = r.Schema().Fields()
		s.text = make([]bool, len(s.fields))
	} else if err := sameColumns(s.job.Inputs[0], s.fields, path, r.Schema().Fields()); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// noColumn is the error about an input of which no column can be worked on.
func noColumn(path string, skipped []files.Skipped) error {
	why := ""
	for i, s := range skipped {
		if i == 3 {
			why += fmt.Sprintf("; and %d more", len(skipped)-i)
			break
		}
		why += fmt.Sprintf("; column %q is %s", s.Name, s.Why)
	}
	return fmt.Errorf("%s: no column holds numbers%s", path, why)
}

func sameColumns(first string, want []arrow.Field, path string, got []arrow.Field) error {
	if len(got) != len(want) {
		return fmt.Errorf("%s: %d numeric columns, expected the %d of %s", path, len(got), len(want), first)
	}
	for i := range want {
		if got[i].Name != want[i].Name || got[i].Type.ID() != want[i].Type.ID() {
			return fmt.Errorf("%s: column %q of type %v, expected %q of %v as in %s", path, got[i].Name, got[i].Type, want[i].Name, want[i].Type, first)
		}
	}
	return nil
}

// note takes over what a reader has found in an input that is read to its end.
func (s *source) note(i int, in *files.Reader) {
	for _, c := range in.Skipped() {
		if c.Field >= 0 && s.text[c.Field] {
			continue // known from an earlier pass or input
		}
		if c.Field >= 0 {
			s.text[c.Field] = true
		}
		if i == 0 && !s.sawSkipped || c.Field >= 0 {
			s.skipped = append(s.skipped, c)
		}
	}
	s.sawSkipped = true
	if in.Cut() && !slices.Contains(s.cut, i) {
		s.cut = append(s.cut, i)
	}
}

// record fills in what a pass that has ended found in the inputs.
func (s *source) record(end *passRecord) {
	end.Text, end.Cut = s.text, s.cut
	for _, c := range s.skipped {
		end.Skipped = append(end.Skipped, skippedJSON(c))
	}
}

// restore takes back what record wrote.
func (s *source) restore(end *passRecord) {
	s.cut, s.skipped, s.sawSkipped = end.Cut, nil, true
	copy(s.text, end.Text)
	for _, c := range end.Skipped {
		s.skipped = append(s.skipped, files.Skipped(c))
	}
}

// progress counts the bytes that were read, in this pass and those before it.
func (s *source) progress(in *files.Reader, i, pass, passes int) Progress {
	done, _ := in.BytesRead()
	p := Progress{Done: done, Input: i, Pass: pass}
	whole := int64(0)
	for k, in := range s.inputs {
		whole += in.Identity.Size
		if k < i {
			p.Done += in.Identity.Size
		}
	}
	p.Done += int64(pass) * whole
	p.Total = int64(passes) * whole
	return p
}

package batch

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"sync"

	"example.com/handoff/arrowipc/files"
)

// A badLine is a line of an input that could not be parsed.
type badLine struct {
	Input int    `json:"input"`
	Line  int    `json:"line"`
	Text  []byte `json:"text"`
}

// An Unparsed is a line of CSV that was left out because it cannot be parsed.
type Unparsed struct {
	Input string // its file
	Line  int    // where the row starts; a header is on line 1
}

// badLines are those that are left out, of this run and, from the journal, of earlier
// ones. The reader adds to them while others ask.
type badLines struct {
	mu    sync.Mutex
	lines []badLine
	at    map[[2]int]bool // input and line of each
	kept  int             // how many of them the journal has
}

// restore takes over the lines of the journal.
func (b *badLines) restore(lines []badLine) {
	b.lines, b.kept = lines, len(lines)
	b.at = make(map[[2]int]bool, len(lines))
	for _, l := range lines {
		b.at[[2]int{l.Input, l.Line}] = true
	}
}

func (b *badLines) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lines)
}

// badRow leaves a line out that an earlier pass or run has left out, whatever the job
// says now, because its chunks are cut so; and others if the job says so.
func (s *source) badRow(i int, row files.BadRow) error {
	b := &s.bad
	b.mu.Lock()
	defer b.mu.Unlock()
	at := [2]int{i, row.Line}
	switch {
	case b.at[at]:
		return nil
	case s.job.InputQuarantine == "":
		return row.Err
	case len(b.lines) == mostBad:
		return fmt.Errorf("%s: %d lines of the inputs cannot be parsed, the most that may be left out, and line %d", s.job.Inputs[i], mostBad, row.Line)
	case b.at == nil:
		b.at = map[[2]int]bool{}
	}
	b.at[at] = true
	b.lines = append(b.lines, badLine{i, row.Line, row.Raw})
	return nil
}

// mostBad bounds what is kept of an input that is no CSV at all.
const mostBad = 100_000

// unkept returns the lines that the journal does not have, which is about to get them.
func (b *badLines) unkept() []badLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := b.lines[b.kept:]
	b.kept = len(b.lines)
	return lines
}

// appendBad puts the lines into the journal that it does not have. It is called before
// chunks are committed, so that the lines left out before their rows precede them.
func (e *engine) appendBad() error {
	if e.outputs.store == nil {
		return nil
	}
	for _, l := range e.source.bad.unkept() {
		if err := e.outputs.store.append(recordBad, l); err != nil {
			return err
		}
	}
	return nil
}

// sorted returns the lines in the order of the inputs, when all have been read.
func (b *badLines) sorted() []badLine {
	b.mu.Lock()
	defer b.mu.Unlock()
	lines := slices.Clone(b.lines)
	slices.SortFunc(lines, func(a, b badLine) int { return cmp.Or(a.Input-b.Input, a.Line-b.Line) })
	return lines
}

func (e *engine) unparsed() (all []Unparsed) {
	for _, l := range e.source.bad.sorted() {
		all = append(all, Unparsed{e.job.Inputs[l.Input], l.Line})
	}
	return all
}

// writeBad writes Job.InputQuarantine.
func (e *engine) writeBad() error {
	if e.job.InputQuarantine == "" || e.source.bad.count() == 0 {
		return nil
	}
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	w.Write([]string{"file", "line", "text"})
	for _, l := range e.source.bad.sorted() {
		w.Write([]string{e.job.Inputs[l.Input], strconv.Itoa(l.Line), string(l.Text)})
	}
	if w.Flush(); w.Error() != nil {
		return w.Error()
	}
	return e.outputs.writeFile(e.job.InputQuarantine, b.Bytes())
}

package bench

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"example.com/handoff/bench/stat"
)

// A wayClass is what a strategy is an alternative to.
type wayClass int

const (
	eachTime wayClass = iota // a new value for each task
	onceHeld                 // the value is in shared memory before it is handed over
	ownHeap                  // no other process
)

// An explanation says of a strategy what it does, for a reader who knows none of the names. Advice is
// what to do to get it; "" for those that are measured for comparison.
type explanation struct {
	class         wayClass
	words, advice string
}

var waysOf = map[string]explanation{
	"gob-fresh":  {eachTime, "encoding/gob over a pipe, a new encoder for each value", ""},
	gobReused:    {eachTime, "encoding/gob over a pipe, one encoder for all values", "gob over a pipe"},
	"pipe-raw":   {eachTime, "the bytes of its slices over a pipe, without encoding", ""},
	"unix-raw":   {eachTime, "the bytes of its slices over a Unix socket, without encoding", ""},
	"arrow-pipe": {eachTime, "an Arrow IPC record batch over a pipe", ""},
	shmFresh:     {eachTime, "copied into a new shared-memory segment for each value; its name goes", "copy it into a segment of its own"},
	shmCopy:      {eachTime, "copied into memory that is shared already (an arena); its place goes", "copy it into an arena and pass a View"},
	valued:       {eachTime, "a task's argument by value, as any Go type: copied in and out through shared memory", "pass it as the task's argument"},
	shmResident:  {onceHeld, "in shared memory before the measurement; only its place goes", "make it in an arena and pass a View"},
	sharedOnce:   {onceHeld, "put into shared memory once by pool.Share, before the measurement; read in place", "share it once by pool.Share"},
	inProcess:    {ownHeap, "handed to a goroutine of the same process: no isolation", ""},
}

// wayRows are the strategies of the report, with what each does.
func (r *Report) wayRows() (rows [][]string) {
	for _, name := range r.strategies() {
		if w, ok := waysOf[name]; ok {
			rows = append(rows, []string{name, w.words})
		}
	}
	return rows
}

// A winner is the fastest strategy of a class at a size. Level are those that are not
// separated from it, fastest first.
type winner struct {
	Result
	level []string
}

// fastest is false if no strategy of the class was measured.
func (r *Report) fastest(bytes int64, of func(name string) bool) (w winner, ok bool) {
	var at []Result
	for _, x := range r.Results {
		if x.Bytes == bytes && x.Answer != wrongAnswer && of(x.Strategy) {
			at = append(at, x)
		}
	}
	if len(at) == 0 {
		return w, false
	}
	slices.SortStableFunc(at, func(a, b Result) int { return cmp.Compare(a.MedianNS, b.MedianNS) })
	w.Result = at[0]
	for _, x := range at[1:] {
		if newPair(w.Result, x).Verdict == string(stat.NotSeparated) {
			w.level = append(w.level, x.Strategy)
		}
	}
	return w, true
}

func inClass(c wayClass) func(string) bool {
	return func(name string) bool { w, ok := waysOf[name]; return ok && w.class == c }
}

// sizes are those of the results, in their order.
func (r *Report) sizes() (sizes []int64) {
	for _, x := range r.Results {
		if !slices.Contains(sizes, x.Bytes) {
			sizes = append(sizes, x.Bytes)
		}
	}
	return sizes
}

// A pageWinner is a cell of the table of the fastest ways.
type pageWinner struct{ Strategy, Time, Remark string }

// A winnerRow is a size, with the fastest of each class, and gob.
type winnerRow struct {
	Size  string
	Cells []pageWinner
}

func (r *Report) winnerRows() (rows []winnerRow) {
	for _, bytes := range r.sizes() {
		row := winnerRow{Size: sizeText(bytes)}
		for _, class := range []wayClass{eachTime, onceHeld, ownHeap} {
			w, ok := r.fastest(bytes, inClass(class))
			if !ok {
				row.Cells = append(row.Cells, pageWinner{Strategy: notMeasured})
				continue
			}
			cell := pageWinner{Strategy: w.Strategy, Time: stat.Time(w.MedianNS), Remark: r.againstGob(w.Result)}
			if len(w.level) > 0 {
				cell.Remark = strings.Join(nonEmpty(cell.Remark, "not separated from "+strings.Join(w.level, ", ")), "; ")
			}
			row.Cells = append(row.Cells, cell)
		}
		gob := pageWinner{Strategy: notMeasured}
		if ns, ok := r.median(gobReused, bytes); ok {
			gob = pageWinner{Time: stat.Time(ns)}
		}
		row.Cells = append(row.Cells, gob)
		rows = append(rows, row)
	}
	return rows
}

func nonEmpty(parts ...string) []string {
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}

// againstGob is how many times as long gob takes, in the rounds of both; "" if that was not
// measured.
func (r *Report) againstGob(x Result) string {
	p, ok := r.pair(gobReused, x.Strategy, x.Bytes)
	switch {
	case !ok:
		return ""
	case p.Verdict == string(stat.NotSeparated):
		return "not separated from gob"
	}
	text := stat.Number(p.Ratio) + " × as fast as gob"
	if p.Low != nil && p.High != nil {
		text += fmt.Sprintf(" (%s to %s)", stat.Number(*p.Low), stat.Number(*p.High))
	}
	return text
}

// todo says what follows from the figures for whoever hands such values over.
func (r *Report) todo() (sentences []string) {
	if 2*r.busyRows() > len(r.Results) {
		sentences = append(sentences, "These figures are of a busy machine: measure again before relying on what follows.")
	}
	for _, class := range []struct {
		is    wayClass
		intro string
	}{{eachTime, "A new value for each task: "}, {onceHeld, "One value for many tasks: "}} {
		if text := r.stretches(class.is); text != "" {
			sentences = append(sentences, class.intro+text+".")
		}
	}
	return append(sentences, nonEmpty(r.goroutinePays())...)
}

// stretches names the way to take by size: the fastest of a class among those that a program
// has through this module. A change counts only where both are separated.
func (r *Report) stretches(class wayClass) string {
	var parts []string
	last, first := "", int64(0)
	end := func(to int64) {
		if last == "" {
			return
		}
		part := fmt.Sprintf("%s (%s)", waysOf[last].advice, last)
		switch {
		case first == 0 && to == 0: // at all sizes
		case first == 0 || to != 0:
			part += " up to " + sizeText(to)
		default:
			part += " from " + sizeText(first) + " on"
		}
		parts = append(parts, part)
	}
	before := int64(0)
	for _, bytes := range r.sizes() {
		w, ok := r.fastest(bytes, func(name string) bool { return inClass(class)(name) && waysOf[name].advice != "" })
		if ok && w.Strategy != last && !slices.Contains(w.level, last) {
			end(before)
			if last != "" {
				first = bytes
			}
			last = w.Strategy
		}
		before = bytes
	}
	end(0)
	return strings.Join(parts, ", ")
}

// goroutinePays says where a goroutine is separated as faster than all processes.
func (r *Report) goroutinePays() string {
	sizes, wins := 0, 0
	for _, bytes := range r.sizes() {
		g, ok := r.fastest(bytes, inClass(ownHeap))
		p, process := r.fastest(bytes, func(name string) bool { return !inClass(ownHeap)(name) })
		if !ok || !process {
			continue
		}
		sizes++
		if newPair(g.Result, p.Result).Verdict == string(stat.AFaster) {
			wins++
		}
	}
	switch {
	case sizes == 0:
		return ""
	case wins == 0:
		return "A goroutine is at no size faster than the fastest way to a process."
	}
	return fmt.Sprintf("If a crash may end the whole program, stay in a goroutine: it is faster than every process at %d of %d sizes.", wins, sizes)
}

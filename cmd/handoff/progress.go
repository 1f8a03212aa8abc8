package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"golang.org/x/term"
)

// A progress shows how far a verb is: a bar on a terminal; elsewhere nothing in the
// first second and then at most one line a second.
//
// A goroutine of its own does the writing, so a verb never waits for a terminal that
// is stopped or a pipe that is full, and one that has gone away ends nothing. mu is
// held for copying alone: nothing that can wait is called under it. nil shows nothing.
type progress struct {
	start      time.Time
	rows, done rate // of showRows

	mu    sync.Mutex // guards now and notes
	now   state
	notes []string

	wake     chan struct{} // there are notes
	stop     chan struct{} // closed by end
	complete bool          // the work is done; written before stop is closed
	once     sync.Once
	drawn    chan struct{} // closed when the goroutine has ended
}

// A state is one report of a verb's progress, in a unit of the verb's choice.
type state struct {
	done, total int64
	text        string
}

// percent is 100 only when the verb has ended.
func (s state) percent() int64 { return min(100*s.done/max(s.total, 1), 99) }

// Pauses between two frames of a bar and between two lines.
const (
	framePause = 100 * time.Millisecond
	linePause  = time.Second
)

// lastWrite bounds the wait for a terminal or pipe that takes nothing any more.
const lastWrite = time.Second

// newProgress begins to show on w, until end. On a terminal that knows no escape codes
// there are lines, not a bar.
func newProgress(w io.Writer, label string, quiet bool) *progress {
	if quiet {
		return nil
	}
	p := &progress{start: time.Now(), wake: make(chan struct{}, 1), stop: make(chan struct{}), drawn: make(chan struct{})}
	d := &drawer{w: w, label: label}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		if knowsCodes() {
			d.terminal = f
		}
	}
	go p.draw(d)
	return p
}

// knowsCodes reports whether the terminal knows escape codes.
func knowsCodes() bool {
	name := os.Getenv("TERM")
	return name != "" && name != "dumb"
}

// knowsUTF8 reports whether the terminal shows characters beyond ASCII.
func knowsUTF8() bool { return isUTF8(os.Getenv) }

// isUTF8 tells whether the locale has characters beyond ASCII: that of the first variable
// that is set, as setlocale(3) looks for it.
func isUTF8(getenv func(string) string) bool {
	locale := cmp.Or(getenv("LC_ALL"), getenv("LC_CTYPE"), getenv("LANG"))
	return strings.Contains(strings.ToLower(strings.ReplaceAll(locale, "-", "")), "utf8")
}

// show says that done of total is done; text is a few words more.
func (p *progress) show(done, total int64, text string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.now = state{done, total, text}
}

// showRows says that done of total is done, which is so many rows, how fast it is
// going and, after the first second, how long it will take. One goroutine at a time
// calls it.
func (p *progress) showRows(done, total, rows int64) {
	if p == nil {
		return
	}
	now := time.Now()
	p.rows.add(now, rows)
	p.done.add(now, done)
	text := short(float64(rows)) + " rows"
	if speed := p.rows.perSecond(); speed > 0 {
		text += ", " + short(speed) + " rows/s"
	}
	if speed := p.done.perSecond(); speed > 0 && now.Sub(p.start) > time.Second {
		text += ", " + remaining(float64(total-done)/speed) + " left"
	}
	p.show(done, total, text)
}

// note says something between two lines, or above the bar.
func (p *progress) note(text string) {
	if p == nil {
		return
	}
	p.mu.Lock()
	p.notes = append(p.notes, text)
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default: // it is to wake already
	}
}

// end takes the bar away, at 100 % if all is done. Nothing is shown after it. The
// first call counts.
func (p *progress) end(complete bool) {
	if p == nil {
		return
	}
	p.once.Do(func() {
		p.complete = complete
		close(p.stop)
	})
	t := time.NewTimer(lastWrite)
	defer t.Stop()
	select {
	case <-p.drawn:
	case <-t.C:
	}
}

// take returns what is to be shown, and the notes once.
func (p *progress) take() (state, []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	notes := p.notes
	p.notes = nil
	return p.now, notes
}

// draw is the goroutine that writes.
func (p *progress) draw(d *drawer) {
	defer close(p.drawn)
	pause := linePause
	if d.terminal != nil {
		pause = framePause
		d.bar(state{}.percent(), "")
	}
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		due, ended := false, false
		select {
		case <-tick.C:
			due = true
		case <-p.wake:
		case <-p.stop:
			ended = true
		}
		now, notes := p.take()
		d.say(notes)
		switch {
		case ended:
			d.close(now, p.complete)
			return
		case d.terminal != nil:
			d.bar(now.percent(), now.text)
		case due:
			d.line(now)
		}
	}
}

// A drawer writes lines, or a bar where there is a terminal. One goroutine uses it.
type drawer struct {
	w        io.Writer
	label    string
	terminal *os.File // nil: none that can draw
	last     string   // the last line or frame
	gone     bool     // a write has failed: w takes no more
}

func (d *drawer) write(text string) {
	if !d.gone {
		_, err := io.WriteString(d.w, text)
		d.gone = err != nil
	}
}

// The codes of every terminal that has any: to the first column, and clear the rest
// of the line.
const (
	lineStart = "\r"
	clearLine = "\x1b[K"
)

// say writes notes, above the bar.
func (d *drawer) say(notes []string) {
	for _, note := range notes {
		if d.last != "" && d.terminal != nil {
			note, d.last = lineStart+clearLine+note, ""
		}
		d.write(note + "\n")
	}
}

// line writes a line if there is anything new.
func (d *drawer) line(s state) {
	if s == (state{}) {
		return
	}
	line := fmt.Sprintf("%s: %d%% %s\n", d.label, s.percent(), s.text)
	if line != d.last {
		d.last = line
		d.write(line)
	}
}

// bar draws a frame if it differs from what is there.
func (d *drawer) bar(percent int64, text string) {
	columns, _, err := term.GetSize(int(d.terminal.Fd()))
	if err != nil || columns <= 0 {
		columns = 80
	}
	f := frame(d.label, percent, text, columns-1) // in the last column some terminals wrap
	if f != d.last {
		d.last = f
		d.write(lineStart + f + clearLine)
	}
}

func (d *drawer) close(s state, complete bool) {
	if d.terminal == nil {
		return
	}
	if complete {
		d.bar(100, s.text)
	}
	d.write(lineStart + clearLine)
}

// Columns of a bar.
const (
	leastBar = 10
	mostBar  = 40
)

// frame is the label, the share that is done, a bar and the text in at most so many
// columns: where there is little room the text is cut, and then there is no bar.
func frame(label string, percent int64, text string, columns int) string {
	f := fmt.Sprintf("%s %3d%%", label, percent)
	width := min(columns-utf8.RuneCountInString(f+" [] "+text), mostBar)
	if width < leastBar {
		width = min(columns-utf8.RuneCountInString(f+" []"), leastBar)
	}
	if width >= leastBar {
		full := int(percent) * width / 100
		f += " [" + strings.Repeat("#", full) + strings.Repeat("-", width-full) + "]"
	}
	if text != "" {
		f += " " + text
	}
	if runes := []rune(f); len(runes) > columns {
		f = string(runes[:max(columns, 0)])
	}
	return f
}

package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"
)

// A progress shows how far a verb is: a bar on a terminal; otherwise nothing in
// the first second and then at most one line a second.
type progress struct {
	w     io.Writer
	label string
	start time.Time

	rows, done rate

	mu   sync.Mutex
	next time.Time // of the next line
	bars *mpb.Progress
	bar  *mpb.Bar
	text string
}

func newProgress(w io.Writer, label string, quiet bool) *progress {
	if quiet {
		return &progress{}
	}
	now := time.Now()
	p := &progress{w: w, label: label, start: now, next: now.Add(time.Second)}
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		p.bars = mpb.New(mpb.WithOutput(f), mpb.WithWidth(40))
		p.bar = p.bars.New(1, mpb.BarStyle(),
			mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(label+" ")),
			mpb.AppendDecorators(decor.Percentage(), decor.Any(func(decor.Statistics) string {
				p.mu.Lock()
				defer p.mu.Unlock()
				return " " + p.text
			})))
	}
	return p
}

// show says that done of total is done; text is a few words more.
func (p *progress) show(done, total int64, text string) {
	if p.w == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.text = text
	if p.bar != nil {
		p.bar.SetTotal(max(total, 1), false)
		p.bar.SetCurrent(min(done, max(total, 1)-1)) // it is end that completes it
		return
	}
	if now := time.Now(); now.After(p.next) {
		p.next = now.Add(time.Second)
		fmt.Fprintf(p.w, "%s: %d%% %s\n", p.label, 100*done/max(total, 1), text)
	}
}

// showRows says that done of total is done, which is so many rows, how fast it is
// going and, after the first second, how long it will take. One goroutine at a time
// calls it.
func (p *progress) showRows(done, total, rows int64) {
	if p.w == nil {
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
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.bars != nil:
		fmt.Fprintln(p.bars, text)
	case p.w != nil:
		fmt.Fprintln(p.w, text)
	}
}

// end takes the bar away.
func (p *progress) end() {
	p.mu.Lock()
	bars := p.bars
	p.bars = nil
	p.mu.Unlock()
	if bars != nil { // whose decorators want mu
		p.bar.Abort(true)
		bars.Wait()
	}
}

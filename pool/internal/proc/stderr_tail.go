package proc

import (
	"bytes"
	"os"
	"sync"
	"time"
)

const (
	tailBytes = 4096 // kept of the end
	lineBytes = 300  // of a line that is passed on
	// whyBytes is kept from Go's reason on: the goroutine that did it comes first.
	whyBytes = 2048
	// outputTime bounds the wait for a callback that hears the lines.
	outputTime = 500 * time.Millisecond
)

// A stderrTail keeps the last of what a child writes to stdout and stderr, and the line in
// which Go says why it dies, which comes before a stack of any length.
type stderrTail struct {
	r     *os.File
	done  chan struct{}
	lines func([]byte) // hears of each line; may be nil
	line  []byte       // the current line, cut at lineBytes; of the goroutine that reads
	inWhy bool         // Go's reason has begun; likewise

	mu   sync.Mutex // guards text and why; not held while lines runs
	text []byte
	why  []byte // Go's reason and what came after it
}

func (t *stderrTail) read(r *os.File, lines func([]byte)) {
	t.r, t.done, t.lines = r, make(chan struct{}), lines
	go func() {
		defer close(t.done)
		buf := make([]byte, tailBytes)
		for {
			n, err := r.Read(buf)
			t.add(buf[:n])
			if err != nil {
				if len(t.line) > 0 {
					t.add([]byte{'\n'})
				}
				return
			}
		}
	}()
}

func (t *stderrTail) add(b []byte) {
	t.mu.Lock() // first of all: lines may block for ever
	t.text = append(t.text, b...)
	if over := len(t.text) - tailBytes; over > 0 {
		t.text = append(t.text[:0], t.text[over:]...)
	}
	t.mu.Unlock()
	for _, c := range b {
		if c != '\n' {
			if len(t.line) < lineBytes {
				t.line = append(t.line, c)
			}
			continue
		}
		if t.inWhy = t.inWhy || IsGoReason(t.line); t.inWhy && len(t.why) < whyBytes {
			t.mu.Lock()
			t.why = append(append(t.why, t.line...), '\n')
			t.mu.Unlock()
		}
		if t.lines != nil {
			t.lines(t.line)
		}
		t.line = t.line[:0]
	}
}

// IsGoReason reports whether the Go run-time begins to say with this line why it dies.
func IsGoReason(line []byte) bool {
	for _, start := range []string{"panic: ", "fatal error: ", "SIG"} {
		if bytes.HasPrefix(line, []byte(start)) {
			return true
		}
	}
	return false
}

// end returns the text after the writer's death, Go's reason first if the rest does not
// hold it any more. A grandchild may keep the pipe open, and lines may block: the wait is
// bounded.
func (t *stderrTail) end() string {
	t.r.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	timer := time.NewTimer(outputTime)
	defer timer.Stop()
	select {
	case <-t.done:
	case <-timer.C:
	}
	t.r.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.why != nil && !bytes.Contains(t.text, t.why) {
		return string(t.why) + "…\n" + string(t.text)
	}
	return string(t.text)
}

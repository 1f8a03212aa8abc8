package pool

import (
	"bytes"
	"os"
	"sync"
	"time"
)

// tailBytes is what is kept of a worker's stdout and stderr.
const tailBytes = 4096

// A tail keeps the last of what a worker writes, and the line in which Go says
// why it dies, which comes before a stack of any length.
type tail struct {
	r    *os.File
	done chan struct{}

	mu   sync.Mutex // not held while lines runs
	text []byte
	line []byte // the current line, cut at lineBytes
	why  []byte // the telling line and what came after it
	told bool   // there was one

	lines func([]byte) // hears of each line; may be nil
}

const lineBytes = 300

// whyBytes is what is kept from the telling line on: the goroutine that did it comes first.
const whyBytes = 2048

func (t *tail) read(r *os.File, lines func([]byte)) {
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

func (t *tail) add(b []byte) {
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
		if t.told = t.told || telling(t.line); t.told && len(t.why) < whyBytes {
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

// telling reports whether Go begins to say with this line why it dies.
func telling(line []byte) bool {
	for _, start := range []string{"panic: ", "fatal error: ", "SIG"} {
		if bytes.HasPrefix(line, []byte(start)) {
			return true
		}
	}
	return false
}

// end returns the text after the writer's death, the telling line first if the
// rest does not hold it any more. A grandchild may keep the pipe open, and
// Options.Output may block: the wait is bounded.
func (t *tail) end() string {
	t.r.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
	timer := time.NewTimer(closeStep)
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

package proc

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const (
	watchdog = time.Minute
	tick     = time.Millisecond
)

func TestStderrTail(t *testing.T) {
	noise := strings.Repeat(strings.Repeat("n", 99)+"\n", 2*tailBytes/100)
	for name, c := range map[string]struct {
		text, want string
		lines      int
	}{
		"nothing":                {},
		"all of it":              {"one\ntwo\n", "one\ntwo\n", 2},
		"half a line at the end": {"one\ntw", "one\ntw\n", 2},
		"the last of it":         {noise, noise[len(noise)-tailBytes:], strings.Count(noise, "\n")},
		"Go's reason, in it":     {"panic: p\ngoroutine 1\n", "panic: p\ngoroutine 1\n", 2},
		"Go's reason, before it": {"fatal error: f\n" + noise, "fatal error: f\n" + noise[:whyBytes/100*100+100] + "…\n" + noise[len(noise)-tailBytes:], 1 + strings.Count(noise, "\n")},
	} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			lines := 0
			var tail stderrTail
			tail.read(r, func(line []byte) { lines++ })
			_, err = w.WriteString(c.text)
			require.NoError(t, err)
			w.Close()
			require.Equal(t, c.want, tail.end())
			require.Equal(t, c.lines, lines)
		})
	}
}

// A writer that lives on, and a callback that hangs, do not keep the text back.
func TestStderrTailOfWriterThatLivesOn(t *testing.T) {
	for name, lines := range map[string]func([]byte){"lives on": nil, "hangs": func([]byte) { select {} }} {
		t.Run(name, func(t *testing.T) {
			r, w, err := os.Pipe()
			require.NoError(t, err)
			defer w.Close()
			var tail stderrTail
			tail.read(r, lines)
			_, err = w.WriteString("why\n")
			require.NoError(t, err)
			require.Eventually(t, func() bool {
				tail.mu.Lock()
				defer tail.mu.Unlock()
				return len(tail.text) > 0
			}, watchdog, tick)
			require.Equal(t, "why\n", tail.end())
		})
	}
}

func FuzzStderrTail(f *testing.F) {
	f.Add([]byte("panic: p\n\ngoroutine 1"), 3)
	f.Fuzz(func(t *testing.T, b []byte, at int) {
		var tail stderrTail
		at = max(0, min(at, len(b)))
		tail.add(b[:at])
		tail.add(b[at:])
		require.Equal(t, string(b[max(0, len(b)-tailBytes):]), string(tail.text))
		require.Less(t, len(tail.why), whyBytes+lineBytes+1)
	})
}

package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// A line a second at most, however many chunks are done, with what is left to do.
func TestProgressLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &lineReader{}
		p := newProgress(out, "zscore", false)
		for i := range int64(101) { // 100,000 rows a second, done in 10 s
			p.showRows(i*800_000, 80_000_000, i*10_000)
			if i < 10 {
				require.NotContains(t, p.now.text, "left", "in the first second")
				synctest.Wait()
				require.Empty(t, out.String())
			}
			time.Sleep(100 * time.Millisecond)
		}
		p.note("a note")
		p.end(true)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Regexp(t, `^zscore: (9% 90k|10% 100k) rows, 100k rows/s(, 9 s left)?$`, lines[0])
		require.Equal(t, "a note", lines[len(lines)-1])
		require.Len(t, lines, 11)
	})
	quiet := newProgress(&bytes.Buffer{}, "zscore", true)
	quiet.showRows(1, 2, 3)
	quiet.note("nothing")
	quiet.end(true)
}

// A stuck is a terminal that is stopped, or a full pipe.
type stuck struct{ until chan struct{} }

func (s stuck) Write(b []byte) (int, error) { <-s.until; return len(b), nil }

// A gone is a pipe whose reader has left.
type gone struct{ writes int }

func (g *gone) Write([]byte) (int, error) { g.writes++; return 0, io.ErrClosedPipe }

// A verb does not wait for what takes nothing any more, and writes no more to what has
// gone away.
func TestProgressToNowhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := stuck{make(chan struct{})}
		p := newProgress(s, "zscore", false)
		p.note("a note")
		for i := range int64(100) {
			p.show(i, 100, "")
			p.note("another")
		}
		begin := time.Now()
		p.end(true)
		p.end(true)
		require.LessOrEqual(t, time.Since(begin), 2*lastWrite)
		close(s.until)
	})
	synctest.Test(t, func(t *testing.T) {
		g := &gone{}
		p := newProgress(g, "zscore", false)
		for range 10 {
			p.note("a note")
			time.Sleep(linePause)
		}
		p.end(true)
		require.Equal(t, 1, g.writes)
	})
}

// A bar fits into any number of columns: it is the text that is cut first, and the label
// last.
func TestFrame(t *testing.T) {
	text := "1.2M rows, 300k rows/s, 4 s left"
	for columns, want := range map[int]string{
		199: "zscore  45% [##################----------------------] " + text,
		79:  "zscore  45% [##############------------------] " + text,
		50:  "zscore  45% [####------] 1.2M rows, 300k rows/s, 4",
		24:  "zscore  45% [####------]",
		23:  "zscore  45% 1.2M rows, ",
		19:  "zscore  45% 1.2M ro",
		5:   "zscor",
		0:   "",
	} {
		got := frame("zscore", 45, text, columns)
		require.LessOrEqual(t, len(got), columns)
		require.Equal(t, want, got, "%d columns", columns)
	}
	require.Equal(t, "zscore   0% [----------------------------------------]", frame("zscore", 0, "", 79))
	require.Equal(t, "zscore 100% [########################################]", frame("zscore", 100, "", 79))
}

// The rate follows a change within seconds, and is no wilder than it.
func TestRate(t *testing.T) {
	var r rate
	now := time.Unix(0, 0)
	require.Zero(t, r.perSecond())
	count := int64(5_000_000) // of an earlier run: no speed of this one
	r.add(now, count)
	require.Zero(t, r.perSecond())
	run := func(seconds int, perTenth int64) {
		for range 10 * seconds {
			now, count = now.Add(100*time.Millisecond), count+perTenth
			r.add(now, count)
		}
	}
	run(1, 100)
	require.InDelta(t, 1000, r.perSecond(), 1e-6)
	run(20, 100)
	require.InDelta(t, 1000, r.perSecond(), 1e-6)
	run(1, 1000)
	require.Greater(t, r.perSecond(), 1500.0)
	require.Less(t, r.perSecond(), 4000.0)
	run(20, 1000)
	require.InEpsilon(t, 10000, r.perSecond(), 0.05)
	before := r.perSecond()
	r.add(now.Add(time.Millisecond), count+1_000_000) // a burst
	require.Equal(t, before, r.perSecond())
	count = 0 // the next pass
	now = now.Add(time.Second)
	r.add(now, count)
	require.Equal(t, before, r.perSecond())
	run(20, 1000)
	require.InEpsilon(t, 10000, r.perSecond(), 0.01)
}

func TestShortNumbers(t *testing.T) {
	for n, want := range map[float64]string{
		0: "0", 7: "7", 999.4: "999", 999.6: "1k", 1000: "1k", 12345: "12.3k", 999_499: "999k", 999_600: "1M",
		41_000_000: "41M", 12_340_000: "12.3M", 1.5e9: "1.5G", 2e13: "20T", 1e18: "1000000T",
	} {
		require.Equal(t, want, short(n), "%v", n)
	}
	for s, want := range map[float64]string{0: "0 s", 0.2: "1 s", 98.2: "99 s", 100: "2 min", 120: "2 min", 121: "3 min", 6000: "2 h", 36000: "10 h"} {
		require.Equal(t, want, remaining(s), "%v", s)
	}
}

package pool

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/pool/internal/codec"
)

type wordsIn struct{ Words Shared[[]string] }

type wordsOut struct {
	Bytes int
	RSS   int64 // private memory of the worker, in bytes
}

var countWords = Func("test.countWords", func(_ *Task, in wordsIn) (out wordsOut, err error) {
	for _, w := range *in.Words.Get() {
		out.Bytes += len(w)
	}
	out.RSS, err = privateRSS()
	return out, err
})

func privateRSS() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	var kB int64
	_, line, _ := bytes.Cut(status, []byte("RssAnon:"))
	_, err = fmt.Sscan(string(line), &kB)
	return kB << 10, err
}

// words are of 6 bytes each.
func words(n int) []string {
	letters, w := strings.Repeat("abcdefg", 100), make([]string, n)
	for i := range w {
		w[i] = letters[i%600:][:6]
	}
	return w
}

// shareWords shares, uses in a worker and returns its memory then.
func shareWords(t testing.TB, p *Pool, w []string) (Shared[[]string], int64) {
	t.Helper()
	s, err := Share(p, w)
	require.NoError(t, err)
	out, err := countWords.Call(context.Background(), p, wordsIn{s})
	require.NoError(t, err)
	return s, out.RSS
}

// What a worker has made of a Shared is freed when that is released, also while it has
// nothing to do.
func TestSharedIsFreed(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	w, n := words(1<<16), 32 // each a spine of 1 MiB
	if codec.Poisons {
		n = 2
	}
	var all []Shared[[]string]
	for range n {
		s, _ := shareWords(t, p, w)
		all = append(all, s)
	}
	empty, most := shareWords(t, p, nil)
	defer empty.Release()
	for _, s := range all {
		s.Release()
	}
	eventually(t, func() bool { return p.Stats().Memory.SharedHeaders == 0 }, "it is held")
	last, now := shareWords(t, p, nil)
	defer last.Release()
	if codec.Poisons {
		return // it was freed with each task
	}
	require.Less(t, now, most-24<<20)
}

// Thousands of values with strings, one after the other, take no more memory than a few.
func TestSharedOneByOne(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	n := 400
	if codec.Poisons { // all is freed with each task
		n = 40
	}
	if os.Getenv("HANDOFF_SOAK") != "" {
		n = 10_000
	}
	w := words(20_000)
	var first, last, held int64
	for i := range n {
		s, rss := shareWords(t, p, w[:5000+i*7%15_000]) // so that they lie in different places
		held = max(held, p.Stats().Memory.SharedHeaders)
		if s.Release(); i < n/8 {
			first = max(first, rss)
		} else {
			last = max(last, rss)
		}
	}
	t.Logf("%d values: private memory of the worker at most %d KiB in the first eighth, %d KiB after, spines at most %d KiB", n, first>>10, last>>10, held>>10)
	require.Less(t, last-first, int64(16<<20))
	require.Less(t, held, int64(16<<20))
	eventually(t, func() bool { return p.Stats().Memory.SharedHeaders == 0 }, "it is held")
}

// A million strings take 16 MB of each process that reads them in place, and no more in one
// that reads them again.
func TestSharedMillionStrings(t *testing.T) {
	p := newPool(t, &Options{Workers: 1})
	empty, before := shareWords(t, p, nil)
	defer empty.Release()
	n := 1_000_000
	if codec.Poisons {
		n = 100_000
	}
	s, _ := shareWords(t, p, words(n))
	defer s.Release()
	again, err := countWords.Call(context.Background(), p, wordsIn{s})
	require.NoError(t, err)
	require.Equal(t, 6*n, again.Bytes)
	held := p.Stats().Memory.SharedHeaders
	t.Logf("block %d B, spine %d B, the worker's private memory grew by %d B", s.block.Len(), held, again.RSS-before)
	if codec.Poisons {
		return // it is made anew for each task
	}
	require.InDelta(t, 16_000_000, held, 64<<10)
	require.Len(t, *s.Get(), 1_000_000)
	require.Equal(t, 2*held, p.Stats().Memory.SharedHeaders, "and here")
}

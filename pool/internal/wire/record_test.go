package wire

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A failure that is too long says so, and one that is malformed is read as far as it goes.
func TestFailure(t *testing.T) {
	f := ReadFailure(AppendFailure(nil, Failure{Text: strings.Repeat("x", 5000)}))
	require.Empty(t, f.Stack+strings.Join(f.Sentinels, ""))
	text := f.Text
	kept := strings.Count(text, "x")
	require.Equal(t, fmt.Sprintf(" … (%d bytes more)", 5000-kept), text[kept:])
	require.Greater(t, kept, MaxInline-100)
	require.LessOrEqual(t, len(text), MaxInline)
	names := []string{strings.Repeat("n", MaxSentinelName), "b", "c"}
	b := AppendFailure(nil, Failure{strings.Repeat("x", 5000), names, strings.Repeat("y", 5000)})
	require.Len(t, b, MaxInline)
	f = ReadFailure(b)
	require.Contains(t, f.Text, "bytes more)")
	require.Equal(t, names, f.Sentinels)
	require.Greater(t, len(f.Stack), 1500)
	many := append(slices.Repeat(names[:1], 9), names...) // of which those that fit are kept
	require.Equal(t, slices.Repeat(names[:1], 4), ReadFailure(AppendFailure(nil, Failure{Sentinels: many})).Sentinels)
	for _, b := range []string{"", "abc", "\xff\xff\xff\xff\x00text", "\x02\x00\x00\x00\x00text", "\x00\x00\x00\x00\xff\x01a\x00\x09b", "\x00\x00\x00\x00\xff"} { // a worker's, whatever it is
		f = ReadFailure([]byte(b))
		require.LessOrEqual(t, len(f.Text+strings.Join(f.Sentinels, "")+f.Stack), len(b))
	}
}

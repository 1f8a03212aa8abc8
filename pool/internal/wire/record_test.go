package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A failure that is too long says so, and one that is malformed is read as far as it goes.
func TestFailure(t *testing.T) {
	text, stack := ReadFailure(AppendFailure(nil, strings.Repeat("x", 5000), ""))
	require.Empty(t, stack)
	kept := strings.Count(text, "x")
	require.Equal(t, fmt.Sprintf(" … (%d bytes more)", 5000-kept), text[kept:])
	require.Greater(t, kept, MaxInline-100)
	require.LessOrEqual(t, len(text), MaxInline)
	text, stack = ReadFailure(AppendFailure(nil, strings.Repeat("x", 5000), strings.Repeat("y", 5000)))
	require.Contains(t, text, "bytes more)")
	require.Greater(t, len(stack), 2000)
	for _, b := range []string{"", "abc", "\xff\xff\xff\xfftext", "\x02\x00\x00\x00text"} { // a worker's, whatever it is
		text, stack = ReadFailure([]byte(b))
		require.LessOrEqual(t, len(text+stack), len(b))
	}
}

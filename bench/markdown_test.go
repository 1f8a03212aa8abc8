package bench

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWriteMarkdown(t *testing.T) {
	r := pictured()
	r.Results[3].Answer = wrongAnswer
	var b bytes.Buffer
	require.NoError(t, r.WriteMarkdown(&b))
	text := b.String()
	for _, want := range []string{"| quotes, touch sum | 64 B |", "**wrong answers**", " †<br>[", "†: the machine was too busy, 1 of 65 figures.", "–: left out",
		"- shm-fresh against gob-reused: gob-reused is faster up to 28.7 KiB, shm-fresh from 36.0 KiB on; in between they are not separated. Confirmed.", "Example CPU", "of 95 %"} {
		require.Contains(t, text, want)
	}
	table, _, _ := strings.Cut(text, "\n\n")
	rows := strings.Split(table, "\n")
	require.Len(t, rows, 2+len(Strategies()))
	for _, row := range rows {
		require.Equal(t, 8, strings.Count(row, "|"), row)
	}
	require.NoError(t, newReport(Machine{}).WriteMarkdown(&b))
}

package bench

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/bench/internal/chart"
)

func TestWriteChart(t *testing.T) {
	var b bytes.Buffer
	require.NoError(t, pictured().WriteChart(&b, &ChartOptions{Columns: 100, ASCII: true}))
	for _, name := range lookOrder {
		require.Contains(t, b.String(), " "+name)
	}
	require.Contains(t, b.String(), "gob-reused -> shm-fresh: 32.3 KiB")
	require.Contains(t, b.String(), "100 ms +")
	b.Reset()
	require.NoError(t, hostile().WriteChart(&b, &ChartOptions{Color: true}))
	require.NotContains(t, b.String(), "\x1b[2J")
	b.Reset()
	require.NoError(t, newReport(Machine{}).WriteChart(&b, nil))
	require.Equal(t, "nothing to draw\n", b.String())
	require.ErrorIs(t, pictured().WriteChart(fails{}, nil), io.ErrShortWrite)
}

type fails struct{}

func (fails) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestWriteSVG(t *testing.T) {
	for _, r := range []*Report{pictured(), hostile(), newReport(Machine{})} {
		var b bytes.Buffer
		require.NoError(t, r.WriteSVG(&b))
		d := xml.NewDecoder(&b)
		text := ""
		for {
			token, err := d.Token()
			if err == io.EOF {
				break
			}
			require.NoError(t, err)
			if s, ok := token.(xml.CharData); ok {
				text += string(s) + "\n"
			}
		}
		for _, name := range r.strategies() {
			if !strings.Contains(name, "<") {
				require.Contains(t, text, "\n"+name+"\n")
			}
		}
	}
	require.ErrorIs(t, pictured().WriteSVG(fails{}), io.ErrShortWrite)
}

// What a wrong answer took is no cost.
func TestCostsWithoutWrongAnswers(t *testing.T) {
	r := pictured()
	for i := range r.Results {
		if r.Results[i].Strategy == "value" {
			r.Results[i].Answer = wrongAnswer
		}
	}
	var b bytes.Buffer
	require.NoError(t, r.WriteSVG(&b))
	require.NotContains(t, b.String(), ">value<")
	require.Contains(t, b.String(), ">shared<")
}

// No two strategies look the same, whatever of colour, dash and mark is seen.
func TestLooks(t *testing.T) {
	require.Subset(t, lookOrder, Strategies())
	marks, lines := map[int]bool{}, map[chart.Look]bool{}
	for i, name := range append(lookOrder[:len(lookOrder):len(lookOrder)], "other", "another") {
		l := look(name, i)
		require.False(t, marks[l.Mark], name)
		marks[l.Mark] = true
		l.Mark = 0
		require.False(t, lines[l], name)
		lines[l] = true
	}
}

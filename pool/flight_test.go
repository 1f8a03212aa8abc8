package pool

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlight(t *testing.T) {
	f := &flight{mem: make([]byte, flightBytes)}
	name := func(fn uint16) string { return fmt.Sprint("f", fn) }
	require.Empty(t, readFlight(f.mem, name))
	f.message(flightHello, 0)
	f.task(flightTask, 2, 7, 3, 4)
	f.message(flightSegment, 9)
	require.Equal(t, []string{"hello", "task f7, attempt 2", "segment 9"}, readFlight(f.mem, name))
	for i := range uint32(1000) { // what others write is not pushed out
		f.task(flightBlock, 0, 1, i, 0)
	}
	f.message(flightDrain, 0)
	told := readFlight(f.mem, name)
	require.Len(t, told, mostTold)
	require.Equal(t, "drain", told[mostTold-1])
	require.Equal(t, "block 999", told[mostTold-2])
}

// Whatever a dead worker has left there is read.
func FuzzFlight(f *testing.F) {
	f.Add([]byte(strings.Repeat("\x01\x00\x00\x00\x02\x01\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00", 32)))
	f.Fuzz(func(t *testing.T, mem []byte) {
		told := readFlight(mem, (&table{}).name)
		require.LessOrEqual(t, len(told), mostTold)
		for _, text := range told {
			require.Less(t, len(text), 200)
		}
	})
}

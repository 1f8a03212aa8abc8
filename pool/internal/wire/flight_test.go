package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlight(t *testing.T) {
	f := &FlightRecorder{Mem: make([]byte, FlightBytes)}
	name := func(fn uint16) string { return fmt.Sprint("f", fn) }
	require.Empty(t, ReadFlight(f.Mem, name))
	f.Message(FlightHello, 0)
	f.Task(FlightTask, 2, 7, 3, 4)
	f.Message(FlightSegment, 9)
	require.Equal(t, []string{"hello", "task f7, attempt 2", "segment 9"}, ReadFlight(f.Mem, name))
	for i := range uint32(1000) { // what others write is not pushed out
		f.Task(FlightBlock, 0, 1, i, 0)
	}
	f.Message(FlightDrain, 0)
	told := ReadFlight(f.Mem, name)
	require.Len(t, told, MaxFlightEvents)
	require.Equal(t, "drain", told[MaxFlightEvents-1])
	require.Equal(t, "block 999", told[MaxFlightEvents-2])
}

// Whatever a dead worker has left there is read.
func FuzzFlight(f *testing.F) {
	f.Add([]byte(strings.Repeat("\x01\x00\x00\x00\x02\x01\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00", 32)))
	f.Fuzz(func(t *testing.T, mem []byte) {
		told := ReadFlight(mem, func(fn uint16) string { return fmt.Sprint(fn) })
		require.LessOrEqual(t, len(told), MaxFlightEvents)
		for _, text := range told {
			require.Less(t, len(text), 200)
		}
	})
}

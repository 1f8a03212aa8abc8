package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFlight(t *testing.T) {
	f := NewFlightRecorder(make([]byte, FlightBytes))
	name := func(fn uint16) string { return fmt.Sprint("f", fn) }
	require.Empty(t, ReadFlight(f.mem, name))
	f.Message(FlightHello, 0)
	f.Task(FlightTask, 2, 7, 3, 4)
	f.Message(FlightSegment, 9)
	require.Equal(t, []string{"hello", "task f7, attempt 2", "segment 9"}, ReadFlight(f.mem, name))
	for i := range uint32(1000) { // what others write is not pushed out
		f.Task(FlightBlock, 0, 1, i, 0)
	}
	f.Message(FlightDrain, 0)
	events := ReadFlight(f.mem, name)
	require.Len(t, events, MaxFlightEvents)
	require.Equal(t, "drain", events[MaxFlightEvents-1])
	require.Equal(t, "block 999", events[MaxFlightEvents-2])
}

// Whatever a dead worker has left there is read.
func FuzzFlight(f *testing.F) {
	f.Add([]byte(strings.Repeat("\x01\x00\x00\x00\x02\x01\x00\x00\x05\x00\x00\x00\x01\x00\x00\x00", 32)))
	f.Fuzz(func(t *testing.T, mem []byte) {
		events := ReadFlight(mem, func(fn uint16) string { return fmt.Sprint(fn) })
		require.LessOrEqual(t, len(events), MaxFlightEvents)
		for _, text := range events {
			require.Less(t, len(text), 200)
		}
	})
}

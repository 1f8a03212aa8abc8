package pool

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// Events that are dropped are counted at once, and not only told of by a later event; a
// hook that ends its goroutine hears of those that follow.
func TestEventsThatAreDroppedAreCounted(t *testing.T) {
	hold, heard := make(chan struct{}), make(chan struct{}, 2*maxEvents)
	p := newPool(t, &Options{Workers: 1, Isolation: Goroutine, OnEvent: func(Event) {
		<-hold
		heard <- struct{}{}
		runtime.Goexit()
	}})
	for range maxEvents + 10 {
		p.events.emit(Event{Kind: EventWidth})
	}
	missed := p.Stats().EventsMissed
	require.GreaterOrEqual(t, missed, int64(9)) // one may be with the hook
	close(hold)
	eventually(t, func() bool { return int64(len(heard))+missed >= maxEvents+10 }, "not all that were kept are told")
	require.Equal(t, missed, p.Stats().EventsMissed)
}

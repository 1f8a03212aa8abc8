package pool

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

type plannedIn struct {
	Open   shm.View[float64]
	Names  []string
	At     []time.Time
	Extras map[string]any
}

var planned = Func("test.planned", func(*Task, plannedIn) (float64, error) { return 0, nil })

func TestPlan(t *testing.T) {
	require.Equal(t, `argument:
  plannedIn.Open         shm.View[float64]  by reference
  plannedIn.Names        []string           copied
  plannedIn.At[]         time.Time          by GobEncode
  plannedIn.Extras[key]  string             copied
  plannedIn.Extras[]     interface {}       gob (interface)
result:
  result                 float64            copied
`, planned.Plan().String())
}

// TestByValueSizes compares Size with what a pool counts.
func TestSize(t *testing.T) {
	got, err := Size(make([]float64, 1000))
	require.NoError(t, err)
	require.Equal(t, int64(64+8000), got)
	_, err = Size(struct{ C []chan int }{})
	require.ErrorContains(t, err, "C[]")
	type ring struct{ Next *ring }
	r := &ring{}
	r.Next = r
	_, err = Size(r)
	require.ErrorContains(t, err, "Next")
}

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

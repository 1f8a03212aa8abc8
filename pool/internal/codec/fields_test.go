package codec

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

func TestFields(t *testing.T) {
	type node struct {
		Next *node
		At   time.Time
		Note string
	}
	type in struct {
		Open  []float64
		Names map[string]tree
		Chain *node
		O     []own
		P     padded
		Any   map[int]any
		X     *scaled
		C     columns
	}
	var got []string
	for _, f := range argumentPlan[in](t).Fields() {
		got = append(got, fmt.Sprint(f.Path, " ", f.Type, " ", f.Way))
	}
	require.Equal(t, []string{
		"in.Open []float64 copied",
		"in.Names map[string]codec.tree copied",
		"in.Chain.Next *codec.node as above",
		"in.Chain.At time.Time by GobEncode",
		"in.Chain.Note string copied",
		"in.O[] codec.own by GobEncode",
		"in.P codec.padded copied",
		"in.Any[key] int copied",
		"in.Any[] interface {} gob (interface)",
		"in.X.X shm.View[float64] by reference",
		"in.X.Scale float64 copied",
		"in.C codec.columns by reference",
	}, got)
	fields := argumentPlan[[]shm.View[int8]](t).Fields()
	require.Equal(t, Field{"argument[]", fields[0].Type, ByReference}, fields[0])
}

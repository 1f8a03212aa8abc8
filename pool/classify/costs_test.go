package classify

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCostsPrice(t *testing.T) {
	for _, tt := range []struct {
		name   string
		costs  *Costs
		want   time.Duration
		wantOK bool
	}{
		{"nil", nil, 0, false},
		{"zero", &Costs{}, 0, false},
		{"fixed", &Costs{Process: RouteCost{FixedNs: 5}}, 5, true},
		{"per byte", &Costs{Process: RouteCost{FixedNs: 5, NsPerByte: 2}}, 25, true},
		{"negative", &Costs{Process: RouteCost{FixedNs: -5, NsPerByte: 2}}, 0, false},
		{"NaN", &Costs{Process: RouteCost{FixedNs: math.NaN()}}, 0, false},
		{"infinite", &Costs{Process: RouteCost{NsPerByte: math.Inf(1)}}, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := priceOf(tt.costs.prices(10, 0, time.Second), RouteProcess, false)
			if ok != tt.wantOK || ok && got.Time != tt.want {
				t.Errorf("got %v, %v, want %v, %v", got, ok, tt.want, tt.wantOK)
			}
		})
	}
}

func TestCostsPrices(t *testing.T) {
	c := &Costs{
		Goroutine: RouteCost{FixedNs: 300}, Split: RouteCost{FixedNs: 500},
		Process: RouteCost{1000, 0.5}, ProcessRef: RouteCost{FixedNs: 900}, ProcessGob: RouteCost{7000, 10},
	}
	require.Equal(t, []Price{
		{RouteGoroutine, "", 300, 3e-4},
		{RouteProcess, "ref", 950, 9.5e-4},
		{RouteProcess, "copy", 1550, 1.55e-3},
		{RouteProcess, "gob", 18000, 0.018},
		{RouteSplit, "", 500, 5e-4},
	}, c.prices(100, 1000, time.Millisecond))
	c.Split, c.ProcessGob = RouteCost{}, RouteCost{FixedNs: -1}
	require.Len(t, c.prices(100, 1000, time.Second), 3, "what was not measured is left out")
	byRef, ok := priceOf(c.prices(0, 8, time.Second), RouteProcess, true)
	require.True(t, ok)
	require.Equal(t, WayRef, byRef.Way)
}

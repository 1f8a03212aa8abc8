package classify

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// A View is advised only for what can be one.
func TestInPlace(t *testing.T) {
	type named []float64
	for _, tt := range []struct {
		v    any
		want bool
	}{
		{[]float64{}, true}, {named{}, true}, {[]byte{}, true}, {8, true}, {time.Second, true}, {[3][]int64{}, true}, {struct{}{}, true},
		{struct {
			X, Y []float32
			N    int
		}{}, true},
		{struct {
			X shm.View[float64]
			Y shm.OwnedView[int64]
		}{}, true},
		{"", false}, {[]string{}, false}, {map[int]int{}, false}, {[][]float64{}, false}, {new(int), false}, {make(chan int), false},
		{[]int{}, false}, {[]time.Duration{}, false}, {[]struct{ X float64 }{}, false}, {time.Time{}, false},
		{struct {
			X []float64
			M map[string]float64
		}{}, false},
	} {
		require.Equal(t, tt.want, inPlace(reflect.TypeOf(tt.v)), "%T", tt.v)
	}
}

package exact_test

import (
	"fmt"

	"example.com/handoff/pool/batch/ops/internal/exact"
)

// Two workers each take a part; the order of merging does not matter.
func ExampleAddColumn() {
	var a, b, total exact.Column
	valid := []byte{0b1011} // the third value is null
	if err := exact.AddColumn(&a, []float64{1e100, 1, 42, -1e100}, valid, 0); err != nil {
		fmt.Println(err)
	}
	if err := exact.AddColumn(&b, []float64{3}, nil, 0); err != nil {
		fmt.Println(err)
	}
	for _, part := range []*exact.Column{&b, &a} {
		if err := total.Merge(part); err != nil {
			fmt.Println(err)
		}
	}
	mean, _ := total.Sums.Mean()
	least, greatest, _ := total.Range.Float64()
	fmt.Println(total.Sums.N, total.Nulls, mean, least, greatest)
	// Output: 4 1 1 -1e+100 1e+100
}

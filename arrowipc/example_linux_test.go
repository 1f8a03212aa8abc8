package arrowipc_test

import (
	"fmt"
	"log"

	"github.com/apache/arrow/go/v15/arrow/array"

	"example.com/handoff/arrowipc"
	"example.com/handoff/shm"
)

// A column that Arrow builds in shared memory, and what another process gets of
// a slice of it: two names.
func ExampleColumnOf() {
	run, err := shm.NewRun()
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	alloc := arrowipc.NewAllocator(run.NewArena(nil))

	bld := array.NewFloat64Builder(alloc)
	defer bld.Release()
	bld.AppendValues([]float64{1, 2, 3, 4, 5}, []bool{true, true, true, false, true})
	arr := bld.NewFloat64Array()
	defer arr.Release()
	part := array.NewSlice(arr, 2, 5)
	defer part.Release()

	c, err := arrowipc.ColumnOf[float64](alloc, part)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("shared:", &c.Values.Data()[0] == &arr.Float64Values()[2])
	fmt.Println("values:", c.Values.Ref().DType, c.Values.Ref().Shape)
	fmt.Println("nulls:", c.Nulls, "first bit:", c.BitOffset, "null:", c.IsNull(0), c.IsNull(1), c.IsNull(2))
	// Output:
	// shared: true
	// values: float64 [3]
	// nulls: 1 first bit: 2 null: false true false
}

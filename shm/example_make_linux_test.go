package shm_test

import (
	"fmt"
	"log"

	"example.com/handoff/shm"
)

// How does an array get into another process? By its Ref, which is plain data: here the
// other side is this program too.
func ExampleMake() {
	run, err := shm.NewRun()
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	x, err := shm.Make[float64](run.NewArena(nil), 2, 3)
	if err != nil {
		log.Fatal(err)
	}
	defer x.Release()
	copy(x.Data(), []float64{1, 2, 3, 4, 5, 6})
	ref := x.Ref()

	seg, err := shm.Attach(ref.Segment, 0, shm.ReadOnly)
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	v, err := shm.Bind[float64](seg, ref) // the same memory
	if err != nil {
		log.Fatal(err)
	}
	defer v.Release()
	fmt.Println(v.Shape(), v.View().Row(1).Data())
	// Output: [2 3] [4 5 6]
}

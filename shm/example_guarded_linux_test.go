package shm_test

import (
	"errors"
	"fmt"
	"log"
	"os"

	"example.com/handoff/shm"
)

// What if another process truncates a segment's file while its elements are read? Without
// the guard that is SIGBUS and the program's end.
func ExampleView_Guarded() {
	run, err := shm.NewRun()
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	x, err := shm.PutCopy(run.NewArena(nil), []float64{1, 2, 3})
	if err != nil {
		log.Fatal(err)
	}
	defer x.Release()
	sum := 0.0
	add := func(data []float64) error {
		for _, v := range data {
			sum += v
		}
		return nil
	}
	fmt.Println(x.View().Guarded(add), sum)
	if err := os.Truncate("/dev/shm/"+x.Ref().Segment, 0); err != nil { // as a hostile process does
		log.Fatal(err)
	}
	var fault *shm.FaultError
	fmt.Println(errors.As(x.View().Guarded(add), &fault))
	// Output:
	// <nil> 6
	// true
}

package shm_test

import (
	"fmt"
	"log"

	"example.com/handoff/shm"
)

// What keeps a part of an array past the array's Release? An OwnedView of it, until its
// own Release. A View keeps nothing and has no Release.
func ExampleOwnedView() {
	run, err := shm.NewRun()
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	arena := run.NewArena(nil)
	x, err := shm.PutCopy(arena, []int64{1, 2, 3, 4}, 2, 2)
	if err != nil {
		log.Fatal(err)
	}
	row := x.Row(1).Own()
	x.Release()
	fmt.Println(row.Data(), arena.Stats().Live > 0)
	row.Release()
	fmt.Println(arena.Stats().Live)
	// Output:
	// [3 4] true
	// 0
}

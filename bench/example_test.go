package bench_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/bench"
)

// In a program, main calls pool.Main first.
func ExampleRun() {
	r, err := bench.Run(context.Background(), &bench.Options{
		Sizes:      []int64{64 << 10},
		Strategies: []string{"pipe-raw", "shm-resident", "goroutine"},
		Count:      5,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, x := range r.Results {
		fmt.Println(x.Strategy, bench.FormatSize(x.Bytes), "copied:", x.CopiedBytes, "answer:", x.Answer)
	}
	// Output:
	// pipe-raw 64KiB copied: 131120 answer: right
	// shm-resident 64KiB copied: 0 answer: right
	// goroutine 64KiB copied: 0 answer: right
}

func ExampleParseSize() {
	fmt.Println(bench.ParseSize("64KiB"))
	fmt.Println(bench.ParseSize("1XB"))
	// Output:
	// 65536 <nil>
	// 0 bench: size "1XB": unknown unit "XB", expected digits and B, KiB, MiB or GiB
}

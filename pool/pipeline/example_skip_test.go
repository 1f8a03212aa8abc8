package pipeline_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"strconv"

	"example.com/handoff/pool/pipeline"
)

// How does one bad item not end the run? SkipErrors hears of it, and the rest goes on.
func ExampleOptions_skipErrors() {
	pl := pipeline.New(&pipeline.Options{SkipErrors: func(failed *pipeline.StageError) error {
		fmt.Printf("left out: %s, item %d\n", failed.Stage, failed.Item)
		return nil
	}})
	texts := pipeline.From(pl, slices.Values([]string{"1", "2", "three", "4"}))
	numbers := pipeline.Go(pl, "parse", texts, func(_ context.Context, s string) (int, error) { return strconv.Atoi(s) }, 1)
	sum := 0
	if err := pipeline.Drain(context.Background(), numbers, func(_ context.Context, n int) error { sum += n; return nil }); err != nil {
		log.Fatal(err)
	}
	fmt.Println("sum", sum)
	// Output:
	// left out: parse, item 2
	// sum 7
}

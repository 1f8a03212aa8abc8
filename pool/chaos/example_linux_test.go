package chaos_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"example.com/handoff/pool"
	"example.com/handoff/pool/chaos"
)

// square is what the program under test does. TestMain of its tests calls
// pool.Main, as ever.
var square = pool.Func("chaos.example.square", func(_ *pool.Task, n int) (int, error) {
	time.Sleep(5 * time.Millisecond)
	return n * n, nil
})

// The sum is right, though workers are killed, stopped and made to exit.
func Example() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2, Attempts: 100, Replacement: pool.Replacement{KeepWidth: true}})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer p.Close(ctx)

	storm, err := chaos.Start(ctx, p, &chaos.Plan{
		Seed:   0x5eed, // of the run to repeat; leave it out for another one each time
		Faults: []chaos.Fault{chaos.Kill, chaos.Pause, chaos.Exit0},
		Every:  20 * time.Millisecond,
		Most:   10,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	numbers := make([]int, 100)
	for i := range numbers {
		numbers[i] = i
	}
	results, sum := 0, 0
	for square, err := range square.Map(ctx, p, slices.Values(numbers)) {
		if err != nil {
			fmt.Println(err)
			return
		}
		results++
		sum += square.Value
	}
	report := storm.Stop() // in a test: t.Log(storm.Stop())
	fmt.Printf("%d results, sum %d, seed %#x\n", results, sum, report.Seed)
	// Output: 100 results, sum 328350, seed 0x5eed
}

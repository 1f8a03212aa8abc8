package tune_test

import (
	"context"
	"fmt"
	"time"

	"example.com/handoff/pool/tune"
)

// Which stage holds a job back? Here the job is a formula, so that the answer is always
// the same; a real one starts the program with these widths and takes its time.
func ExampleRun() {
	stages := []tune.Stage{{Name: "fetch", Kind: tune.IO, Width: 2}, {Name: "parse", Kind: tune.CPU, Width: 1}}
	job := func(_ context.Context, w tune.Widths) (time.Duration, error) {
		fetch, parse := 100*time.Millisecond/time.Duration(w["fetch"]), 200*time.Millisecond/time.Duration(w["parse"])
		return max(fetch, parse), nil
	}
	report, err := tune.Run(context.Background(), stages, job, &tune.Options{MaxWidth: 16, Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Bottleneck, report.Widths["parse"])
	// Output: parse 4
}

package bench_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/bench"
)

type Quotes struct {
	Bid, Ask, Size []float64
	ByVenue        map[string]float64
}

var quotes = bench.NewPayload("quotes", func(n int) Quotes {
	q := Quotes{make([]float64, n), make([]float64, n), make([]float64, n), map[string]float64{"X": 1}}
	for i := range n {
		q.Bid[i], q.Ask[i], q.Size[i] = float64(i), float64(i)+0.25, 100
	}
	return q
})

// In a program, main calls pool.Main first; in a test, TestMain. quotes.Benchmark(b) does the
// same under go test -bench.
func ExampleNewPayload() {
	r, err := quotes.Measure(context.Background(), &bench.Options{
		Sizes: []int64{1 << 20}, Strategies: []string{"gob-reused", "value", "shared"}, Count: 6, Time: 1,
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, x := range r.Results {
		fmt.Println(x.Strategy, x.Answer)
	}
	// Output:
	// gob-reused right
	// value right
	// shared right
}

package pool_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/pool"
)

type model struct {
	Weights [][]float64
	Labels  []string
}

type query struct {
	Model pool.Shared[model]
	Row   int
}

var score = pool.Func("example.score", func(_ *pool.Task, in query) (string, error) {
	m := in.Model.Get() // in place: no copy, however large it is
	sum := 0.0
	for _, w := range m.Weights[in.Row] {
		sum += w
	}
	return fmt.Sprint(m.Labels[in.Row], "=", sum), nil
})

// A value of any type is copied once, and read by many tasks of many workers where it is.
func ExampleShare() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	shared, err := pool.Share(p, model{[][]float64{{1, 2}, {3, 4}}, []string{"a", "b"}})
	if err != nil {
		log.Fatal(err)
	}
	defer shared.Release()
	for i := range 2 {
		text, err := score.Call(ctx, p, query{shared, i})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(text)
	}
	// Output:
	// a=3
	// b=7
}

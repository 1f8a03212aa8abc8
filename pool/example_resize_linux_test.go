package pool_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/pool"
)

// How is the number of workers changed while the pool runs?
func ExamplePool_Resize() {
	ctx := context.Background()
	p, err := pool.New(ctx, &pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close(ctx)

	if err := p.Resize(3); err != nil {
		log.Fatal(err)
	}
	s := p.Stats()
	fmt.Println(s.Width, "of", s.Target)
	// Output: 3 of 3
}

package pool_test

import (
	"context"
	"fmt"
	"time"

	"example.com/handoff/pool"
)

// A stage that waits, classified with an argument of the kind it will get.
func ExampleClassifyCall() {
	fetch := func(_ context.Context, name string) (string, error) {
		time.Sleep(30 * time.Millisecond) // an answer over the network
		return "page of " + name, nil
	}
	c, err := pool.ClassifyCall(context.Background(), fetch, "example", &pool.ClassifyOptions{Planned: pool.RouteProcess})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Class, c.Route)
	fmt.Println(c.Payload.InGobBytes, "bytes in,", c.Payload.OutGobBytes, "out")
	fmt.Println(len(c.Warnings), "warning: it is planned for processes and waits")
	// Output:
	// io goroutine
	// 11 bytes in, 19 out
	// 1 warning: it is planned for processes and waits
}

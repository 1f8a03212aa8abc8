package classify_test

import (
	"context"
	"fmt"
	"time"

	"example.com/handoff/pool/classify"
)

// A stage that waits, classified with an argument of the kind it will get.
func ExampleCall() {
	fetch := func(_ context.Context, name string) (string, error) {
		time.Sleep(30 * time.Millisecond) // an answer over the network
		return "page of " + name, nil
	}
	c, err := classify.Call(context.Background(), fetch, "example", &classify.Options{Planned: classify.RouteProcess})
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

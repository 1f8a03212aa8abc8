package classify_test

import (
	"context"
	"fmt"
	"time"

	"example.com/handoff/pool/classify"
)

// Does a function wait or compute, with an argument of the kind it will get?
func ExampleCall() {
	fetch := func(_ context.Context, name string) (string, error) {
		time.Sleep(30 * time.Millisecond) // an answer over the network
		return "page of " + name, nil
	}
	v, err := classify.Call(context.Background(), fetch, "example", &classify.Options{Planned: classify.RouteProcess})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Workload, v.Route)
	fmt.Println(v.Payload.InGobBytes, "bytes in,", v.Payload.OutGobBytes, "out")
	fmt.Println(len(v.Warnings), "warning: it is planned for processes and waits")
	// Output:
	// io goroutine
	// 11 bytes in, 19 out
	// 1 warning: it is planned for processes and waits
}

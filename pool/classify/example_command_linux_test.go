package classify_test

import (
	"context"
	"fmt"

	"example.com/handoff/pool/classify"
)

// Does a program compute?
func ExampleCommand() {
	v, err := classify.Command(context.Background(), []string{"sleep", "0.1"}, &classify.Options{Repeats: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(v.Workload, v.Clock)
	// Output: io child
}

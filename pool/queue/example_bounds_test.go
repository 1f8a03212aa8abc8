package queue_test

import (
	"context"
	"fmt"
	"log"

	"example.com/handoff/pool/queue"
)

// How does a slow consumer hold back its producer? Put blocks while the queue is full, so
// that no more than MaxItems wait at once, and a closed queue ends the loop.
func ExampleQueue() {
	ctx := context.Background()
	q, err := queue.New[string](&queue.Options{MaxItems: 2})
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		defer q.Close()
		for i := range 5 {
			text := fmt.Sprint("line ", i)
			if err := q.Put(ctx, text, int64(len(text))); err != nil {
				return
			}
		}
	}()
	n := 0
	for text, err := range q.All(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		n += len(text)
	}
	fmt.Println(n, "bytes, at most", 2, "items at once:", q.Stats().HighItems <= 2)
	// Output: 30 bytes, at most 2 items at once: true
}

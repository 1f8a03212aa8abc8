package files_test

import (
	"context"
	"fmt"
	"io"
	"log"

	"example.com/handoff/arrowipc"
	"example.com/handoff/arrowipc/files"
	"example.com/handoff/shm"
)

// Add up a column of a CSV file, at most eight rows in memory at a time.
func ExampleOpen() {
	run, err := shm.NewRun()
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	alloc := arrowipc.NewAllocator(run.NewArena(nil))

	r, err := files.Open("../../testdata/small.csv", alloc, &files.Options{ChunkRows: 8})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	wind := r.Schema().FieldIndices("wind")[0]
	sum, nulls := 0.0, int64(0)
	for {
		rec, err := r.Next(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		c, err := arrowipc.ColumnOf[float64](alloc, rec.Column(wind))
		if err != nil {
			log.Fatal(err)
		}
		for i, v := range c.Values.Data() {
			if !c.IsNull(i) {
				sum += v
			}
		}
		nulls += c.Nulls
		rec.Release()
	}
	fmt.Printf("wind: %.1f, %d nulls\n", sum, nulls)
	for _, s := range r.Skipped() {
		fmt.Printf("skipped %s: %s\n", s.Name, s.Why)
	}
	// Output:
	// wind: 71.7, 2 nulls
	// skipped station: text: its first value is "north" in line 2
	// skipped note: text: its first value is "calm" in line 3
}

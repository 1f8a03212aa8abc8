package files_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"slices"
	"strings"

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

// Copy two columns of a table to CSV, a block for each record. A writer that has
// kept the blocks' lengths could stop between any two and go on.
func ExampleEncoder() {
	run, err := shm.NewRun()
	if err != nil {
		log.Fatal(err)
	}
	defer run.Close()
	alloc := arrowipc.NewAllocator(run.NewArena(nil))

	r, err := files.Open("../../testdata/small.csv", alloc, &files.Options{ChunkRows: 8, Columns: []string{"time", "gust"}})
	if err != nil {
		log.Fatal(err)
	}
	defer r.Close()
	enc, err := files.NewEncoder(files.CSV, r.Schema())
	if err != nil {
		log.Fatal(err)
	}
	var out bytes.Buffer
	out.Write(enc.Head())
	var blocks []files.Block
	for {
		rec, err := r.Next(context.Background())
		if err == io.EOF {
			break
		}
		if err != nil {
			log.Fatal(err)
		}
		p, err := enc.WriteChunk(&out, rec)
		if err != nil {
			log.Fatal(err)
		}
		blocks = append(blocks, p)
		rec.Release()
	}
	tail, err := enc.Tail(slices.Values(blocks))
	if err != nil {
		log.Fatal(err)
	}
	out.Write(tail)
	lines := strings.SplitAfter(out.String(), "\n")
	fmt.Print(strings.Join(lines[:6], ""))
	fmt.Println(blocks[0].Len(), "bytes in the first of", len(blocks), "blocks")
	// Output:
	// time,gust
	// 1,
	// 2,
	// 3,
	// 4,
	// 5,7.5
	// 32 bytes in the first of 3 blocks
}

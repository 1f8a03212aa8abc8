package journal_test

import (
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"example.com/handoff/pool/journal"
)

// A job takes up its journal, or begins one, and does what is not in it yet.
func Example() {
	base, err := os.MkdirTemp("", "journal-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(base)
	state := filepath.Join(base, "state")

	run := func(chunks ...string) {
		j, err := journal.Open(state, nil)
		if errors.Is(err, journal.ErrNone) {
			j, err = journal.Create(state, []byte("mean of prices.csv"), nil)
		}
		if err != nil {
			log.Fatal(err)
		}
		defer j.Close()
		done := map[string]bool{}
		for rec, err := range j.Records() {
			if err != nil {
				log.Fatal(err)
			}
			done[string(rec)] = true
		}
		fmt.Printf("%s: %d chunks are done\n", j.Header(), len(done))
		for _, chunk := range chunks {
			if done[chunk] {
				continue
			}
			if err := j.Append([]byte(chunk)); err != nil {
				log.Fatal(err)
			}
			fmt.Println("did", chunk)
		}
		if err := j.Sync(); err != nil { // from here on they are done for good
			log.Fatal(err)
		}
	}
	run("rows 0-99", "rows 100-199")
	run("rows 0-99", "rows 100-199", "rows 200-299")
	// Output:
	// mean of prices.csv: 0 chunks are done
	// did rows 0-99
	// did rows 100-199
	// mean of prices.csv: 2 chunks are done
	// did rows 200-299
}

// Package tiny is what the programs that measure a library have in common: they
// answer requests on standard input with what the tiny task takes through that
// library, each a line of JSON, until the input ends.
package tiny

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"example.com/handoff/bench/stat"
)

// Task is the smallest function that can be checked, so that a row measures the handoff.
func Task(x int64) int64 { return x + 1 }

// Serve answers every request with the median of its trips, in nanoseconds. Each
// trip asks the peer for Task; another answer is an error.
func Serve(trip func(x int64) (int64, error)) error {
	enc := json.NewEncoder(os.Stdout)
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var q struct {
			Trips int `json:"trips"`
		}
		if err := json.Unmarshal(in.Bytes(), &q); err != nil {
			return err
		}
		ns, err := median(q.Trips, trip)
		if err != nil {
			return err
		}
		if err := enc.Encode(map[string]float64{"ns": ns}); err != nil {
			return err
		}
	}
	return in.Err()
}

func median(trips int, trip func(x int64) (int64, error)) (float64, error) {
	x := int64(-1)
	return stat.Repeat(trips, func() (time.Duration, error) {
		x++
		start := time.Now()
		y, err := trip(x)
		took := time.Since(start)
		if err == nil && y != Task(x) {
			err = fmt.Errorf("a wrong answer: %d to %d", y, x)
		}
		return took, err
	})
}

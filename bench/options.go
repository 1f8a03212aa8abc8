package bench

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// elemBytes is the size of one float64.
const elemBytes = 8

// The names of the strategies.
const (
	gobFresh    = "gob-fresh"
	gobReused   = "gob-reused"
	arrowPipe   = "arrow-pipe"
	pipeRaw     = "pipe-raw"
	unixRaw     = "unix-raw"
	shmFresh    = "shm-fresh"
	shmCopy     = "shm-copy"
	shmResident = "shm-resident"
	valued      = "value"
	sharedOnce  = "shared"
	inProcess   = "goroutine"
)

var strategies = []string{gobFresh, gobReused, pipeRaw, unixRaw, arrowPipe, shmFresh, shmCopy, shmResident, valued, sharedOnce, inProcess}

// Strategies returns the names of all strategies, in the order of the reports.
func Strategies() []string { return slices.Clone(strategies) }

func isStream(strategy string) bool {
	return slices.Contains([]string{gobFresh, gobReused, pipeRaw, unixRaw, arrowPipe}, strategy)
}

// isShared: the strategy's peer is the worker that answers tasks.
func isShared(strategy string) bool {
	return strings.HasPrefix(strategy, "shm-") || strategy == valued || strategy == sharedOnce
}

// DTypes returns the element types that arrays can have.
func DTypes() (names []string) {
	for dtype := range arrays {
		names = append(names, dtype.String())
	}
	slices.Sort(names)
	return names
}

// arraysNamed is the payload of arrays of an element type; nil for an unknown one.
func arraysNamed(name string) *payload {
	for dtype, p := range arrays {
		if dtype.String() == name {
			return p
		}
	}
	return nil
}

// Options configures a run. The zero value and nil work; Run copies it.
type Options struct {
	// Sizes of the arrays in bytes: positive multiples of 8. They are measured
	// in ascending order, each once. nil: 64 B, 4 KiB, 64 KiB, 1, 16 and 64 MiB.
	Sizes []int64
	// DType is the element type of the arrays, by the name of a [shm.DType]; Payload.Measure
	// ignores it. "": float64.
	DType string
	// File is a file whose columns of numbers are handed over instead: of Arrow or CSV, as
	// package files of arrowipc reads it; Payload.Measure ignores it. Sizes are of its first rows, and by default
	// go up to the whole file. What is not handed over is in PayloadInfo.File and in Method.Notes.
	File string
	// Compute is how long a task computes on the payload: with it the report has advice.
	// 0: it is not known.
	Compute time.Duration
	// Isolated says, for the advice, that tasks need a process of their own: a goroutine is not enough.
	Isolated bool
	// Tasks is how many tasks a job has, for what the advice saves. 0: 1,000.
	Tasks int
	// Strategies to compare, by name. nil: all of [Strategies].
	Strategies []string
	// Touch chooses how much of the array the receiver reads. "": TouchSum.
	Touch Touch
	// Count is how many samples are taken of each strategy at each size, at least:
	// six, and two for each strategy, are the fewest, and orders are balanced in
	// whole blocks. 0: as many as fit into Time.
	Count int
	// Time is how long the run takes, about. Where the fewest samples of a large size
	// do not fit, its dearest strategies are left out, which the report says. It does
	// not shorten what Count asks for. 0: 55 s.
	Time time.Duration
	// Pin keeps this whole process and the peers on the same cores throughout, so that the
	// placement of runs that are compared is the same. "": the kernel moves them about.
	Pin Pin
	// Table, if not nil, is where the report for people ([Report.WriteTable]) is
	// written, each size as soon as it is measured, on Run's goroutine. An error of
	// it ends the run.
	Table io.Writer
	// Progress, if not nil, is called on Run's goroutine, between samples, at
	// most ten times a second and once at the end, with done ≤ total in no
	// particular unit and what is being measured. Its time is not measured.
	Progress func(done, total int, text string)

	payload      *payload                 // nil: the array of float64
	verifyDelays map[string]time.Duration // by strategy, in each handoff of a verification: for tests
}

const defaultTime = 55 * time.Second

var defaultSizes = []int64{64, 4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20}

// Validate reports what no Run would accept: a mistake of whoever made the
// options. nil is valid.
func (o *Options) Validate() error {
	_, err := o.withDefaults()
	return err
}

func (o *Options) withDefaults() (Options, error) {
	var c Options
	if o != nil {
		c = *o
	}
	if c.File != "" && c.payload == nil {
		if c.DType != "" {
			return c, fmt.Errorf("bench: a dtype and a file, expected one of them")
		}
		c.payload = columnsPayload
	} else if len(c.Sizes) == 0 {
		c.Sizes = defaultSizes
	}
	if c.payload == nil {
		if c.payload = arraysNamed(cmp.Or(c.DType, "float64")); c.payload == nil {
			return c, fmt.Errorf("bench: unknown dtype %.40q, expected %s", c.DType, strings.Join(DTypes(), ", "))
		}
	}
	if c.Compute < 0 {
		return c, fmt.Errorf("bench: a task that computes for %v, expected 0 or more", c.Compute)
	}
	if c.Tasks < 0 {
		return c, fmt.Errorf("bench: a job of %d tasks, expected 0 or more", c.Tasks)
	}
	dtype := c.payload.dtype
	for _, s := range c.Sizes {
		if elem := max(1, dtype.Size()); s <= 0 || s%elem != 0 {
			return c, fmt.Errorf("bench: size %d, expected a positive multiple of the %d bytes of a %v", s, elem, dtype)
		}
	}
	c.Sizes = slices.Compact(slices.Sorted(slices.Values(c.Sizes)))
	if len(c.Strategies) == 0 {
		c.Strategies = strategies
	}
	for _, s := range c.Strategies {
		if !slices.Contains(strategies, s) {
			return c, fmt.Errorf("bench: unknown strategy %.40q, expected %s", s, strings.Join(strategies, ", "))
		}
	}
	c.Strategies = slices.DeleteFunc(Strategies(), func(s string) bool { return !slices.Contains(c.Strategies, s) })
	if c.Touch == "" {
		c.Touch = TouchSum
	}
	if c.Touch == TouchFunc && c.payload.touch.run == nil {
		return c, fmt.Errorf("bench: touch %q, and payload %s has no function (Payload.WithFunc)", c.Touch, c.payload.name)
	}
	if !slices.Contains(touches, c.Touch) {
		return c, fmt.Errorf("bench: unknown touch %.40q, expected %q, %q or %q", c.Touch, TouchSum, TouchEnds, TouchFunc)
	}
	if !slices.Contains(pins, c.Pin) {
		return c, fmt.Errorf("bench: unknown placement %.40q, expected %q or %q", c.Pin, PinApart, PinTogether)
	}
	if c.Count < 0 {
		return c, fmt.Errorf("bench: count %d, expected 0 or more", c.Count)
	}
	if c.Time < 0 {
		return c, fmt.Errorf("bench: a time of %v, expected 0 or more", c.Time)
	}
	if c.Time == 0 {
		c.Time = defaultTime
	}
	return c, nil
}

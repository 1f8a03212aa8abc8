package main

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"example.com/handoff/bench"
	"example.com/handoff/pool"
)

// A count is a flag for a whole number from 1 to most; 0 is its default, "not given".
type count struct {
	n    *int
	most int
}

const manyRows = 1<<31 - 1

func (c count) String() string {
	if c.n == nil || *c.n == 0 {
		return ""
	}
	return strconv.Itoa(*c.n)
}

func (c count) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 || n > c.most {
		return fmt.Errorf("expected a whole number from 1 to %d", c.most)
	}
	*c.n = n
	return nil
}

func (count) Type() string { return "N" }

// A natural is a flag for a whole number from 0 to most.
type natural struct {
	n    *int
	most int
}

func (c natural) String() string {
	if c.n == nil {
		return ""
	}
	return strconv.Itoa(*c.n)
}

func (c natural) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > c.most {
		return fmt.Errorf("expected a whole number from 0 to %d", c.most)
	}
	*c.n = n
	return nil
}

func (natural) Type() string { return "N" }

// A byteSize is a flag for a number of bytes; 0 is its default, "not given".
type byteSize int64

func (b *byteSize) String() string {
	if *b == 0 {
		return ""
	}
	return bench.FormatSize(int64(*b))
}

func (b *byteSize) Set(s string) error {
	n, err := bench.ParseSize(s)
	if err == nil && n < 1 {
		err = errors.New("expected at least 1 byte")
	}
	*b = byteSize(n)
	return err
}

func (*byteSize) Type() string { return "SIZE" }

// A choice is a flag for one of a few words.
type choice struct {
	s    *string
	from []string
}

func (c choice) String() string { return *c.s }

func (c choice) Set(s string) error {
	for _, w := range c.from {
		if s == w {
			*c.s = s
			return nil
		}
	}
	return fmt.Errorf("expected %s", strings.Join(c.from, " or "))
}

func (c choice) Type() string { return strings.Join(c.from, "|") }

func workersFlag(f *pflag.FlagSet, n *int) {
	f.Var(count{n, pool.MaxWorkers}, "workers", fmt.Sprintf("number of worker processes (default: usable cores, %d here)", runtime.GOMAXPROCS(0)))
}

func jsonFlag(f *pflag.FlagSet, file *string, what string) {
	f.StringVar(file, "json", "", "write "+what+" as one JSON object to `FILE`, - for standard output")
}

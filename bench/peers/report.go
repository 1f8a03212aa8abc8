package main

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"runtime"
	"strings"
	"time"

	"example.com/handoff/bench/internal/cores"
)

// A report is the table.
type report struct {
	Machine machine  `json:"machine"`
	Quick   bool     `json:"quick"`
	Rows    []result `json:"rows"`
	Canary  float64  `json:"canary_after_ns"` // after the last row
}

type machine struct {
	CPU    string `json:"cpu"` // model
	Cores  int    `json:"cores"`
	Kernel string `json:"kernel"` // release
	Go     string `json:"go"`
}

// A result is one line of it.
type result struct {
	Name    string  `json:"name"`
	Goal    float64 `json:"goal,omitempty"` // none: for information
	Least   bool    `json:"at_least"`       // the goal is the least, not the most
	Met     *bool   `json:"met,omitempty"`
	Unit    string  `json:"unit"` // of Ours and Theirs
	Canary  float64 `json:"canary_before_ns"`
	Skipped string  `json:"skipped,omitempty"`
	Error   string  `json:"error,omitempty"`
	*Summary

	row row
}

// compare measures the rows, one after the other, and shows each when it is done.
// After the end of ctx there are no more.
func compare(ctx context.Context, chosen []row, n int, quick bool, t *table) *report {
	r := &report{Machine: thisMachine(), Quick: quick}
	t.begin(r.Machine)
	for _, row := range chosen {
		res := result{Name: row.name, Goal: row.goal.value, Least: row.goal.least, Unit: "ns", row: row}
		if row.bytes {
			res.Unit = "bytes"
		}
		res.Canary = cores.Canary(canaryTime)
		out := row.inProcess(ctx, n, quick)
		if ctx.Err() != nil {
			break
		}
		res.Skipped, res.Error = out.Skipped, out.Error
		if p := out.Pairs; len(p.A) > 0 && len(p.A) == len(p.B) {
			s := summarize(row.goal, p)
			res.Summary = &s
			if row.goal.value != 0 {
				met := row.goal.met(s.Ratio)
				res.Met = &met
			}
		}
		r.Rows = append(r.Rows, res)
		t.row(res)
	}
	r.Canary = cores.Canary(canaryTime)
	t.end(r)
	return r
}

const canaryTime = 3 * time.Millisecond

func (r *report) failed() bool {
	for _, res := range r.Rows {
		if res.Error != "" {
			return true
		}
	}
	return false
}

// writeJSON writes to the file, or to stdout for "-".
func (r *report) writeJSON(file string, stdout io.Writer) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	b = append(b, '\n')
	if file == "-" {
		_, err = stdout.Write(b)
		return err
	}
	return os.WriteFile(file, b, 0o644)
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	b, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(b))
	b, _ = os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			m.CPU = strings.TrimSpace(value)
			break
		}
	}
	return m
}

package main

import (
	"net"
	"path/filepath"
	"slices"
	"strings"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
	"example.com/handoff/pool/batch/outfile"
	"example.com/handoff/pool/journal"
)

// check finds what is wrong with the command line.
func (f *runFlags) check() error {
	j := &f.job
	if j.Op == "" {
		return usagef("--op is needed: %s", opNames())
	}
	if _, _, err := batch.Lookup(j.Op); err != nil {
		return usagef("--op: %w", err)
	}
	if j.Out == "-" {
		j.Out = ""
	}
	if f.json == "-" && j.Out == "" {
		return usagef("--json - and the result would both go to standard output: give --out FILE")
	}
	switch {
	case j.State == "" && j.Resume:
		return usagef("--resume needs --state DIR")
	case j.State == "" && j.KeepState:
		return usagef("--keep-state needs --state DIR")
	case j.State != "" && j.Out == "":
		return usagef("--state needs --out FILE: what goes to standard output cannot be written exactly once")
	case f.isolation == string(pool.Goroutine) && (f.timeout > 0 || f.memory > 0 || f.quarantine != "" || f.retriesGiven):
		return usagef("--timeout, --mem-per-worker, --retries and --quarantine need worker processes: goroutines cannot be killed")
	case f.timeout < 0:
		return usagef("--timeout %v: expected 0 or more", f.timeout)
	case f.memory > 0 && f.memory < pool.MinMemoryLimit:
		return usagef("--mem-per-worker %s: expected at least %s, which a worker needs before its first task", human(int64(f.memory)), human(pool.MinMemoryLimit))
	}
	if f.metrics != "" {
		if _, _, err := net.SplitHostPort(f.metrics); err != nil {
			return usagef("--metrics %s: expected HOST:PORT, as localhost:9090", f.metrics)
		}
	}
	for _, q := range []string{f.quarantine, j.InputQuarantine, f.joblog} {
		if q == "-" {
			return usagef("rows that are left out and the job log go to files: give a name and not -")
		}
	}
	if f.quarantine != "" {
		if _, err := files.FormatOf(f.quarantine); err != nil {
			return usagef("--quarantine: %w", err)
		}
	}
	if ext := strings.ToLower(filepath.Ext(j.InputQuarantine)); ext != "" && ext != ".csv" {
		return usagef("--input-quarantine %s: it is CSV: expected a name that ends in .csv", j.InputQuarantine)
	}
	if slices.Contains(j.Columns, "") || j.Columns != nil && len(j.Columns) == 0 {
		return usagef("--columns has an empty name: expected NAME,NAME,…")
	}
	return f.checkNames()
}

// checkReport refuses the name of another verb's report about this job that is an input
// or an output of the job.
func (f *runFlags) checkReport(name string) error {
	if name == "-" {
		return nil
	}
	with := *f
	with.json = name
	return with.checkNames()
}

// checkNames refuses a file that is named twice and would be written over.
func (f *runFlags) checkNames() error {
	const stdout = "/dev/stdout"
	j := &f.job
	outs := map[string]string{"--out": j.Out, "--json": f.json, "--quarantine": f.quarantine, "--input-quarantine": j.InputQuarantine, "--joblog": f.joblog, "--state": j.State}
	if j.Out == "" {
		outs["standard output"] = stdout
	}
	if f.json == "-" {
		outs["--json"] = stdout
	}
	for a, name := range outs {
		for b, other := range outs {
			if a < b && outfile.Same(name, other) {
				return usagef("%s and %s name the same file", a, b)
			}
		}
		for _, in := range j.Inputs {
			if outfile.Same(in, name) {
				return usagef("%s is an input and would be overwritten", in)
			}
		}
		for _, file := range journal.Names() {
			if j.State != "" && outfile.Same(name, filepath.Join(j.State, file)) {
				return usagef("%s %s is a file of --state: give another name", a, name)
			}
		}
	}
	return nil
}

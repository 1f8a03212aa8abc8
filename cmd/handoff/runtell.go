package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"example.com/handoff/pool"
	"example.com/handoff/pool/batch"
)

// tell says what a job has done.
func tell(s streams, f *runFlags, res *batch.Result, result, summary *output) error {
	if res.FromStart {
		fmt.Fprintf(s.err, "no journal in %s: started from the beginning\n", f.job.State)
	}
	if res.Finished {
		fmt.Fprintf(s.err, "the job in %s is finished: nothing was done\n", f.job.State)
	}
	tellSkipped(s.err, res)
	for _, path := range res.Summary.NoEndMark {
		fmt.Fprintf(s.err, "warning: %s: this Arrow stream has no end mark: if it was cut off, rows are missing\n", path)
	}
	for _, w := range res.Warnings {
		fmt.Fprintln(s.err, "warning: "+printable(strings.ReplaceAll(w.Error(), "\n", "; ")))
	}
	if !f.quiet && !res.Finished {
		fmt.Fprintln(s.err, summaryLine(res.Summary, f.isolation))
	}
	if f.job.Out == "" {
		if err := writeJSON(result, res.Value); err != nil {
			return err
		}
	}
	if f.json != "" {
		if err := writeJSON(summary, res.Summary); err != nil {
			return err
		}
	}
	if err := result.Commit(); err != nil {
		return err
	}
	if err := summary.Commit(); err != nil {
		return err
	}
	if n := res.Summary.Quarantined + res.Summary.Unparsed; n > 0 {
		return &quarantinedError{res, f}
	}
	return nil
}

// writeFailure writes the summary of a job that failed, with its error.
func writeFailure(summary *output, res *batch.Result, jobErr error) error {
	failed := struct {
		batch.Summary
		Error string `json:"error"`
	}{Error: jobErr.Error()}
	if res != nil {
		failed.Summary = res.Summary
	}
	return errors.Join(writeJSON(summary, failed), summary.Commit())
}

// A quarantinedError ends a job that is done but for some rows.
type quarantinedError struct {
	res *batch.Result
	f   *runFlags
}

func (e *quarantinedError) Error() string {
	var parts []string
	if n := e.res.Summary.Quarantined; n > 0 {
		part := fmt.Sprintf("%d rows that killed their workers are ", n) + where(e.f.quarantine)
		if len(e.res.Quarantined) > 0 {
			q := e.res.Quarantined[0]
			part += fmt.Sprintf(" (the first is row %d of %s: %s)", q.Row, q.Input, q.Reason)
		}
		parts = append(parts, part)
	}
	if n := e.res.Summary.Unparsed; n > 0 {
		part := fmt.Sprintf("%d lines that cannot be parsed are ", n) + where(e.f.job.InputQuarantine)
		if e.f.job.InputQuarantine == "" {
			part += ": " + listLines(e.res.Unparsed)
		}
		parts = append(parts, part)
	}
	return "done, but " + strings.Join(parts, ", and ")
}

// where says what has become of rows that were left out. A job that is resumed leaves
// out what it has left out before, also if no file is named now.
func where(file string) string {
	if file == "" {
		return "left out, as in an earlier run"
	}
	return "in " + file
}

// listLines is lines as a.csv:3, 5, b.csv:7.
func listLines(lines []batch.Unparsed) string {
	const most = 50
	list, input := "", ""
	for i, l := range lines {
		switch {
		case i == most:
			return strings.TrimPrefix(list, ", ") + ", …"
		case l.Input != input:
			list += fmt.Sprintf(", %s:%d", l.Input, l.Line)
		default:
			list += fmt.Sprintf(", %d", l.Line)
		}
		input = l.Input
	}
	return strings.TrimPrefix(list, ", ")
}

func tellSkipped(w io.Writer, res *batch.Result) {
	const most = 5
	for i, sk := range res.Skipped {
		if i == most {
			fmt.Fprintf(w, "skipped %d more columns\n", len(res.Skipped)-most)
			break
		}
		fmt.Fprintf(w, "skipped column %q: %s\n", sk.Name, sk.Why)
	}
}

// summaryLine is the summary for people.
func summaryLine(s batch.Summary, isolation string) string {
	kind := "worker processes"
	if isolation == string(pool.Goroutine) {
		kind = "worker goroutines"
	}
	chunks, all := fmt.Sprintf("%d chunks", s.Chunks), s.Chunks
	if s.Passes > 1 {
		chunks, all = fmt.Sprintf("%d chunks and %d passes", s.Chunks, s.Passes), s.Chunks*int64(s.Passes)
	}
	if s.ChunksReused > 0 {
		chunks += fmt.Sprintf(" (%d of %d done before)", s.ChunksReused, all)
	}
	var workers []string
	for _, w := range s.Workers {
		workers = append(workers, fmt.Sprintf("pid %d: %d", w.PID, w.Tasks))
	}
	line := fmt.Sprintf("%d rows in %s, %.2f s, %d %s (tasks by %s); %s handed over by Ref, %s copied",
		s.Rows, chunks, s.WallS, s.Width, kind, strings.Join(workers, ", "), human(s.BytesByRef), human(s.BytesCopied))
	for _, class := range slices.Sorted(maps.Keys(s.Deaths)) {
		line += fmt.Sprintf("; %d died (%s)", s.Deaths[class], class)
	}
	return line
}

package main

import (
	"fmt"
	"io"
	"strings"

	"example.com/handoff/bench"
)

// tellFile says what of a file was not handed over.
func tellFile(w io.Writer, p bench.PayloadInfo) {
	const most = 5 // with the reason
	var more []string
	for i, c := range p.File.Skipped {
		if i < most {
			fmt.Fprintf(w, "skipped column %q: %s\n", c.Name, c.Why)
		} else {
			more = append(more, fmt.Sprintf("%q", c.Name))
		}
	}
	if more != nil {
		fmt.Fprintf(w, "skipped %d more columns: %s\n", len(more), strings.Join(more, ", "))
	}
	var nulls []string
	for _, c := range p.File.Columns {
		if c.Nulls > 0 {
			nulls = append(nulls, fmt.Sprintf("%q (%d)", c.Name, c.Nulls))
		}
	}
	if nulls != nil {
		fmt.Fprintf(w, "nulls are handed over as the values in their places: %s\n", strings.Join(nulls, ", "))
	}
	if p.File.Cut {
		fmt.Fprintf(w, "warning: %s: this Arrow stream has no end mark: if it was cut off, rows are missing\n", p.Name)
	}
}

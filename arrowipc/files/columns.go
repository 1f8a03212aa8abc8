package files

import (
	"fmt"
	"strings"
)

type fileColumn struct{ name, why string } // why it is not numeric; "" if it is

// checkColumns compares the names that were asked for with the file's columns.
// Those of one name are asked for together; one that is numeric is enough.
func checkColumns(asked []string, has []fileColumn, hint string) error {
	if len(asked) == 0 {
		return nil
	}
	whys := make(map[string]string, len(has))
	for _, c := range has {
		if why, there := whys[c.name]; !there || why != "" {
			whys[c.name] = c.why
		}
	}
	for _, name := range asked {
		switch why, there := whys[name]; {
		case !there:
			return columnErrorf("no column %s; %s%s", show(name), listColumns(name, has), hint)
		case why != "":
			return columnErrorf("column %s was asked for, but is not numeric: %s%s", show(name), why, hint)
		}
	}
	return nil
}

// setOf makes a set of the names that were asked for.
func setOf(names []string) map[string]bool {
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

const listed = 10 // names in an error

// listColumns tells some names, those first that a slip may have been meant for.
func listColumns(name string, has []fileColumn) string {
	if len(has) == 0 {
		return "the file has none"
	}
	var near, other []string
	for _, c := range has {
		if strings.EqualFold(strings.TrimSpace(name), c.name) {
			near = append(near, c.name)
		} else if len(other) < listed {
			other = append(other, c.name)
		}
	}
	names := append(near, other...)
	names = names[:min(len(names), listed)]
	shown := make([]string, len(names))
	for i, n := range names {
		shown[i] = show(n)
	}
	if len(names) < len(has) {
		shown = append(shown, fmt.Sprintf("… (%d in all)", len(has)))
	}
	return "the file has " + strings.Join(shown, ", ")
}

// columnError is a reason why what Options.Columns asks for can't be given.
type columnError struct{ reason string }

func columnErrorf(format string, args ...any) error {
	return &columnError{fmt.Sprintf(format, args...)}
}

func (e *columnError) Error() string { return e.reason }

func (e *columnError) Unwrap() error { return ErrColumn }

// choose leaves only the columns of these names; none stands for all.
func (l *layout) choose(names []string) error {
	if len(names) == 0 {
		return nil
	}
	has, asked := make([]fileColumn, len(l.columns)), setOf(names)
	for i := range l.columns {
		c := &l.columns[i]
		has[i] = fileColumn{c.name, c.why}
		if !asked[c.name] {
			c.typ, c.why = nil, ""
		}
	}
	l.settle()
	return checkColumns(names, has, "")
}

// Command handoff measures what handing arrays to another process by name costs
// against gob, and runs numeric batch jobs over worker processes. `handoff
// --help` lists its verbs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"example.com/handoff/pool"
)

// The exit codes that scripts can rely on; 128+n is "ended by signal n".
const (
	exitOK      = 0
	exitFailure = 1 // files, shared memory, failed work
	exitUsage   = 2 // unknown verb, flag or name, missing argument, value out of range
)

func main() {
	pool.Main() // does not return in a worker
	ctx, stop, signalled := notifySignals(context.Background())
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if n := signalled(); n != 0 {
		code = 128 + n
	}
	os.Exit(code)
}

// A streams is where a verb writes: results to out, everything else to err.
type streams struct{ out, err io.Writer }

// A checkedWriter remembers that a write failed: a full disk is an error of the
// verb, also where the library that writes does not say so.
type checkedWriter struct {
	w   io.Writer
	err error
}

func (c *checkedWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	if err != nil && c.err == nil {
		c.err = fmt.Errorf("cannot write the output: %w", err)
	}
	return n, err
}

// run is the whole command but for the process around it.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	out := &checkedWriter{w: stdout}
	s := streams{out, stderr}
	root := &cobra.Command{
		Use:   "handoff",
		Short: "Hand arrays to other processes by name, and measure what that saves",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("a verb is needed")
			}
			return usagef("unknown verb %.60q", args[0])
		},
		RunE:               func(*cobra.Command, []string) error { return nil }, // Args refuses first
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true,
		CompletionOptions:  cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(out)
	root.SetErr(stderr)
	root.SetArgs(args)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%w", err) })
	root.AddCommand(benchCommand(s), classifyCommand(s), runCommand(s), shmCommand(s), doctorCommand(s))
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		err = out.err
	}
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = errors.New("interrupted")
	}
	report(stderr, cmd, err)
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

// A usageError is a mistake in the command line.
type usageError struct{ err error }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// printable escapes what would act on a terminal: file names and arguments come
// from anywhere.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsPrint(r) {
			b.WriteRune(r)
		} else {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// report prints an error in at most three lines.
func report(w io.Writer, cmd *cobra.Command, err error) {
	lines := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' })
	if len(lines) > 2 {
		lines = append(lines[:1], fmt.Sprintf("(and %d more lines)", len(lines)-1))
	}
	for i := range lines {
		lines[i] = printable(lines[i])
	}
	fmt.Fprintln(w, "handoff: "+strings.Join(lines, "\n"))
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintf(w, "see '%s --help'\n", cmd.CommandPath())
	}
}

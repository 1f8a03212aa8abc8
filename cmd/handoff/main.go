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
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"example.com/handoff/pool"
	"example.com/handoff/shm"
)

// The exit codes that scripts can rely on; 128+n is "ended by signal n".
const (
	exitOK      = 0
	exitFailure = 1 // files, shared memory, failed work
	exitUsage   = 2 // unknown verb, flag or name, missing argument, value out of range
	exitSome    = 3 // done, but for rows that were left out
)

func main() {
	pool.Main() // does not return in a worker
	ctx, stop, signalled := notifySignals(context.Background())
	code := run(ctx, os.Args[1:], standardOutput(), os.Stderr)
	stop()
	if n := signalled(); n != 0 && code == exitFailure {
		code = 128 + n
	}
	os.Exit(code)
}

// A streams holds the outputs of a verb: results go to out, everything else to err.
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
		RunE:    func(*cobra.Command, []string) error { return nil }, // Args refuses first
		Example: "  handoff doctor\n  handoff bench\n  handoff run flights.arrow --op describe\n  handoff shm ls",
		Version: version(),
		PersistentPreRunE: func(c *cobra.Command, _ []string) error {
			return refuseEmpty(c.Flags())
		},
		SilenceErrors:      true,
		SilenceUsage:       true,
		DisableSuggestions: true,
		CompletionOptions:  cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(out)
	root.SetErr(stderr)
	root.SetArgs(args)
	root.SetVersionTemplate("{{.Version}}\n")
	root.SetHelpCommand(helpCommand(root))
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usagef("%w", err) })
	root.AddCommand(benchCommand(s), classifyCommand(s), runCommand(s), chaosCommand(s), tuneCommand(s), shmCommand(s), doctorCommand(s))
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
	var space *shm.SpaceError
	if errors.As(err, &space) && space.Where == "/dev/shm" {
		err = fmt.Errorf("%w; 'handoff shm gc' removes what dead programs have left there", err)
	}
	report(stderr, cmd, err)
	var usage *usageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	var some *quarantinedError
	if errors.As(err, &some) {
		return exitSome
	}
	return exitFailure
}

// refuseEmpty finds a flag that was given nothing.
func refuseEmpty(flags *pflag.FlagSet) (err error) {
	flags.Visit(func(f *pflag.Flag) {
		if f.Value.String() == "" {
			err = usagef("--%s is empty", f.Name)
		}
	})
	return err
}

// helpCommand is cobra's, which takes an unknown verb for none, with an error.
func helpCommand(root *cobra.Command) *cobra.Command {
	return &cobra.Command{
		Use:     "help [VERB…]",
		Short:   "Help about any verb",
		Example: "  handoff help shm ls",
		RunE: func(_ *cobra.Command, args []string) error {
			c, rest, err := root.Find(args)
			if err != nil || len(rest) > 0 {
				return usagef("unknown verb %.60q", strings.Join(args, " "))
			}
			c.InitDefaultHelpFlag() // what --help shows
			c.InitDefaultVersionFlag()
			return c.Help()
		},
	}
}

// version is what the build knows of itself: "handoff v1.2.3 (0123456789ab,
// modified), go1.26.0 linux/amd64".
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "handoff, version unknown"
	}
	text, set := "handoff "+info.Main.Version, map[string]string{}
	for _, s := range info.Settings {
		set[s.Key] = s.Value
	}
	if revision := set["vcs.revision"]; revision != "" {
		text += " (" + revision[:min(12, len(revision))]
		if set["vcs.modified"] == "true" {
			text += ", modified"
		}
		text += ")"
	}
	return fmt.Sprintf("%s, %s %s/%s", text, info.GoVersion, runtime.GOOS, runtime.GOARCH)
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

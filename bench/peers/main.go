package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"

	"example.com/handoff/pool"
)

func main() {
	pool.Main() // does not return in a worker
	asPeer()
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// asPeer does not return in a copy of this program that is a peer or measures a
// row.
func asPeer() {
	name, ok := os.LookupEnv(childVar)
	if !ok {
		return
	}
	run := peers[name]
	if name == rowChild {
		run = measureRow
	}
	err := fmt.Errorf("%s=%q: there is no such peer", childVar, name)
	if run != nil {
		err = run()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "peers: %s: %v\n", name, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// command is the program: 0 all rows were measured or skipped, 1 one could not
// be, 2 a mistake in the command line, 130 interrupted.
func command(args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(stderr)
	words := flags.String("rows", "", "only rows with one of these `substrings`, separated by commas, in their names")
	samples := flags.Int("samples", 11, "pairs of samples per row")
	quick := flags.Bool("quick", false, "few and short samples: every row once, for a look whether it works")
	file := flags.String("json", "", "write the table as JSON to `FILE` too; - for standard output, which then carries nothing else")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	set := map[string]bool{}
	flags.Visit(func(f *flag.Flag) { set[f.Name] = true })
	if *quick && !set["samples"] {
		*samples = 3
	}
	chosen, err := choose(*words)
	switch {
	case err != nil:
	case flags.NArg() > 0:
		err = fmt.Errorf("%q: expected flags only", flags.Arg(0))
	case *samples < 1:
		err = fmt.Errorf("-samples %d: expected at least 1", *samples)
	}
	if err != nil {
		fmt.Fprintln(stderr, "peers:", err)
		return 2
	}

	ctx, stop := signal.NotifyContext(context.Background(), endSignals...)
	defer stop()
	table := stdout
	if *file == "-" {
		table = io.Discard
	}
	r := compare(ctx, chosen, *samples, *quick, newTable(table))
	if *file != "" {
		err = r.writeJSON(*file, stdout)
	}
	switch {
	case err != nil:
		fmt.Fprintln(stderr, "peers:", err)
		return 1
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "peers: interrupted")
		return 130
	case r.failed():
		return 1
	}
	return 0
}

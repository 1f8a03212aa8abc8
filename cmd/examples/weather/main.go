// Command weather is a pipeline to read and to try: it fetches years of hourly weather
// over HTTP, parses them, takes rolling medians in worker processes and writes a file.
//
//	fetch      goroutines       many requests wait at a time
//	parse      goroutines       text into arrays in shared memory
//	transform  worker processes a rolling median; arrays come and go by Ref
//	write      this goroutine   Arrow or CSV, in the order of the years
//
// The server is its own, on the loopback interface, and takes its time over each answer.
// Memory is bounded by -budget, however many years there are.
//
//	go run ./cmd/examples/weather -years 500 -out medians.arrow
//	go run ./cmd/examples/weather -tune
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
	"example.com/handoff/pool/tune"
)

func main() {
	pool.Main() // does not return in a worker
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := command(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "weather:", err)
		os.Exit(1)
	}
}

func command(ctx context.Context, args []string, out io.Writer) (err error) {
	var j job
	fl := flag.NewFlagSet("weather", flag.ContinueOnError)
	from := fl.String("csv", "", "a year to make the others from: date,pressure,temperature,wind (default: made up)")
	name := fl.String("out", os.DevNull, "the output, .arrow or .csv; what is neither gets CSV")
	latency := fl.Duration("latency", 20*time.Millisecond, "how long the server takes over an answer")
	fl.IntVar(&j.years, "years", 100, "how many")
	fl.IntVar(&j.window, "window", 24, "hours that a median is of")
	fl.IntVar(&j.fetchers, "fetchers", 0, "requests at a time (0: four times the cores)")
	fl.IntVar(&j.parsers, "parsers", 2, "years that are parsed at a time")
	fl.IntVar(&j.workers, "workers", 0, "worker processes (0: as many as cores)")
	fl.Int64Var(&j.budget, "budget", 64<<20, "most bytes in flight")
	find := fl.Bool("tune", false, "find the widths by experiment")
	if err := fl.Parse(args); err != nil {
		return err
	}
	switch {
	case j.years < 1, j.window < 1, j.fetchers < 0, j.parsers < 1, j.workers < 0, j.budget < 0:
		return errors.New("a number is too small: see -help")
	}
	s, err := startServer(*from, *latency)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	j.url = s.URL
	if *find {
		report, err := tuneJob(ctx, j, nil)
		if err == nil {
			_, err = fmt.Fprint(out, report)
		}
		return err
	}
	if j.format, err = files.FormatOf(*name); err != nil {
		j.format = files.CSV
	}
	file, err := os.Create(*name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	buffered := bufio.NewWriterSize(file, 1<<16)
	j.out = buffered
	stats, err := j.run(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(out, stats)
	return buffered.Flush()
}

// tuneJob finds the widths for a job, whose output goes nowhere.
func tuneJob(ctx context.Context, j job, opts *tune.Options) (*tune.Report, error) {
	j.out, j.format = io.Discard, files.CSV
	stages := []tune.Stage{
		{Name: "fetch", Kind: tune.IO, Width: j.fetchers},
		{Name: "parse", Kind: tune.CPU, Width: j.parsers},
		{Name: "transform", Kind: tune.CPU, Width: j.workers},
	}
	return tune.Run(ctx, stages, func(ctx context.Context, w tune.Widths) (time.Duration, error) {
		j.fetchers, j.parsers, j.workers = w["fetch"], w["parse"], w["transform"]
		stats, err := j.run(ctx)
		return stats.Wall, err // without the start of the workers
	}, opts)
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"

	"example.com/handoff/arrowipc/files"
	"example.com/handoff/pool"
	"example.com/handoff/pool/pipeline"
)

// A job is one run of the pipeline.
type job struct {
	url    string
	years  int
	window int
	out    io.Writer
	format files.Format

	fetchers, parsers, workers int
	budget                     int64

	started func(*pipeline.Pipeline, *pool.Pool) // if set, is called when both are made
}

func (j job) run(ctx context.Context) (stats pipeline.Stats, err error) {
	p, err := pool.New(ctx, &pool.Options{Workers: j.workers})
	if err != nil {
		return stats, err
	}
	defer func() { err = errors.Join(err, p.Close(context.WithoutCancel(ctx))) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 1024}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	w, err := newWriter(j.out, j.format)
	if err != nil {
		return stats, err
	}

	pl := pipeline.New(&pipeline.Options{MaxBytes: j.budget})
	if j.started != nil {
		j.started(pl, p)
	}
	raw := pipeline.Go(pl, "fetch", pipeline.From(pl, numbers(j.years)), func(ctx context.Context, n int) (text, error) {
		return fetch(ctx, client, j.url, n)
	}, j.fetchers)
	parsed := pipeline.Go(pl, "parse", raw, func(ctx context.Context, t text) (year, error) {
		return parse(ctx, p, t, j.window)
	}, j.parsers)
	smooth := pipeline.Proc(pl, "transform", parsed, p, transform, 0)
	err = pipeline.Drain(ctx, smooth, w.write)
	if err == nil {
		err = w.end()
	}
	return pl.Stats(), err
}

func numbers(n int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// A text is one file, as the server sent it.
type text struct {
	year int
	csv  []byte
}

// mostText bounds what the server may send for a year.
const mostText = 64 << 20

func fetch(ctx context.Context, client *http.Client, url string, n int) (t text, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/%d", url, n), nil)
	if err != nil {
		return t, err
	}
	answer, err := client.Do(req)
	if err != nil {
		return t, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return t, fmt.Errorf("%s: %s", req.URL, answer.Status)
	}
	if answer.ContentLength < 0 || answer.ContentLength > mostText {
		return t, fmt.Errorf("%s: %d bytes, expected at most %d", req.URL, answer.ContentLength, mostText)
	}
	t = text{n, make([]byte, answer.ContentLength)}
	_, err = io.ReadFull(answer.Body, t.csv)
	return t, err
}

package bench

import (
	"errors"
	"slices"
	"testing"
)

// benchmark hands arrays to a worker process, or a goroutine, and waits for the answers: one
// sub-benchmark for each strategy and size, under the names that WriteGo prints.
func benchmark(b *testing.B, what *payload, touch Touch, names []string, sizes []int64) {
	info := what.info(touch)
	found := slices.Clone(sizes) // a report, too, names the size that there is
	for i, bytes := range sizes {
		if f, err := what.find(bytes); err == nil { // else each sub-benchmark says so
			found[i] = f.bytes
		}
	}
	for _, strategy := range names {
		for _, bytes := range found {
			b.Run(info.goName(strategy, bytes), func(b *testing.B) {
				if err := benchmarkOne(b, what, touch, strategy, bytes); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// benchmarkOne is one strategy at one size.
func benchmarkOne(b *testing.B, what *payload, touch Touch, strategy string, bytes int64) (err error) {
	ctx := b.Context()
	if err := checkMemory([]string{strategy}, bytes); err != nil {
		return err
	}
	p, err := what.instance(bytes, touch)
	if err != nil {
		return err
	}
	s, err := open(ctx, what, []string{strategy}, touch, p.bytes)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close(ctx, err != nil)) }()
	l, err := newLineup(ctx, s.carriers, p, func(string) {})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	if len(l.left) > 0 {
		b.Skip(l.left[0].Why)
	}
	m := l.samplers[0]
	stop, watched, err := m.begin(ctx) // not ctx, which the closing needs
	if err != nil {
		return err
	}
	defer stop()
	b.SetBytes(p.bytes)
	before := m.c.copied()
	for b.Loop() {
		if err := m.once(watched); err != nil {
			return err
		}
	}
	b.ReportMetric(float64(m.c.copied()-before)/float64(b.N), copiedUnit)
	if m.wrong > 0 {
		return ErrAnswer
	}
	return nil
}

package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/bench/cost"
)

func TestCalibrate(t *testing.T) {
	file := filepath.Join(t.TempDir(), "cache", "handoff", "costs.json")
	held(t)
	var warnings []error
	opts := &CalibrateOptions{File: file, Warn: func(err error) { warnings = append(warnings, err) }}
	c, err := Calibrate(background(), opts)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.NoError(t, checkCosts(&c))
	require.WithinDuration(t, time.Now(), c.MeasuredAt, time.Minute)
	// What holds on every machine: no call is free, gob does more than copy, a new
	// encoder does not less than one that knows the types.
	at := func(curve cost.Curve, bytes int64) float64 {
		ns, ok := curve.NS(bytes)
		require.True(t, ok)
		return ns
	}
	require.Greater(t, at(c.Pipe, 16<<20), at(c.Copy, 16<<20))
	require.Greater(t, at(c.Gob, 16<<20), at(c.Copy, 16<<20))
	require.Greater(t, at(c.GobFresh, 64), at(c.Gob, 64))
	require.Greater(t, c.StartNS, at(c.Copy, 64))
	require.Less(t, at(c.Ref, 64<<20), at(c.Copy, 64<<20))
	require.Less(t, at(c.Ref, 64<<20), at(c.Value, 64<<20))
	for _, curve := range []cost.Curve{c.Copy, c.Value, c.Ref, c.Goroutine} {
		require.Equal(t, calibrateSizes, sizesOf(curve))
	}
	for _, curve := range []cost.Curve{c.Pipe, c.Gob, c.GobFresh} {
		require.Equal(t, calibrateSizes[:4], sizesOf(curve))
	}

	info, err := os.Lstat(file)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1, "a temporary file is left")

	again, err := Calibrate(background(), opts)
	require.NoError(t, err)
	require.Empty(t, warnings)
	require.Equal(t, c, again, "it was not read")
}

func sizesOf(c cost.Curve) (sizes []int64) {
	for _, p := range c {
		sizes = append(sizes, p.Bytes)
	}
	return sizes
}

// The end of the context ends it.
func TestCalibrateCancelled(t *testing.T) {
	held(t)
	ctx, cancel := context.WithCancel(background())
	cancel()
	_, err := Calibrate(ctx, &CalibrateOptions{File: filepath.Join(t.TempDir(), "costs.json")})
	require.ErrorIs(t, err, context.Canceled)
}

func someCosts() cost.Costs {
	c := cost.Curve{{Bytes: 64, NS: 100}, {Bytes: 1 << 20, NS: 5e5}}
	return cost.Costs{Goroutine: c, Split: c, Ref: c, Copy: c, Value: c, Pipe: c, Gob: c, GobFresh: c,
		WakeNS: 1, StartNS: 2, MeasuredAt: time.Now().UTC().Truncate(time.Second)}
}

func TestReadCosts(t *testing.T) {
	here := originHere()
	require.NotEmpty(t, here.Kernel)
	require.NotEmpty(t, here.Go)
	there := here
	there.Kernel = "5.4.0-other"
	good := func(t *testing.T, file string) { require.NoError(t, keepCosts(file, keptCosts{here, someCosts()})) }
	edited := func(old, new string) func(*testing.T, string) {
		return func(t *testing.T, file string) {
			good(t, file)
			b, err := os.ReadFile(file)
			require.NoError(t, err)
			require.Contains(t, string(b), old)
			require.NoError(t, os.WriteFile(file, bytes.Replace(b, []byte(old), []byte(new), 1), 0o600))
		}
	}
	for name, tt := range map[string]struct {
		file func(t *testing.T, file string)
		want string
	}{
		"good":         {good, ""},
		"none":         {func(*testing.T, string) {}, "no costs are kept"},
		"empty":        {func(t *testing.T, file string) { require.NoError(t, os.WriteFile(file, nil, 0o600)) }, "damaged"},
		"cut":          {func(t *testing.T, file string) { good(t, file); require.NoError(t, os.Truncate(file, 200)) }, "damaged"},
		"other kernel": {func(t *testing.T, file string) { require.NoError(t, keepCosts(file, keptCosts{there, someCosts()})) }, "no costs are kept"},
		"version":      {edited(`"version": 2`, `"version": 1`), "version 1, expected 2"},
		"negative":     {edited(`"ns": 100`, `"ns": -100`), "damaged: "},
		"no number":    {edited(`"ns": 100`, `"ns": "x"`), "damaged: "},
		"infinite":     {edited(`"wake_ns": 1`, `"wake_ns": 1e999`), "damaged: "},
		"enormous":     {edited(`"start_ns": 2`, `"start_ns": 1e300`), "damaged: "},
		"no date":      {edited(`"measured_at": "2`, `"measured_at": "3`), "damaged: measured at"},
		"writable":     {func(t *testing.T, file string) { good(t, file); require.NoError(t, os.Chmod(file, 0o666)) }, "can be written by others"},
		"a directory":  {func(t *testing.T, file string) { require.NoError(t, os.Mkdir(file, 0o700)) }, "no regular file"},
		"a FIFO":       {func(t *testing.T, file string) { require.NoError(t, unix.Mkfifo(file, 0o600)) }, "no regular file"},
		"a link": {func(t *testing.T, file string) {
			good(t, file+".target")
			require.NoError(t, os.Symlink(file+".target", file))
		}, "no regular file"},
		"large": {func(t *testing.T, file string) { good(t, file); require.NoError(t, os.Truncate(file, 1<<20)) }, "has 1048576 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "costs.json")
			tt.file(t, file)
			c, err := readCosts(file, here)
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, someCosts().Copy, c.Copy)
				return
			}
			require.ErrorContains(t, err, tt.want)
		})
	}
}

// A file that cannot be used or written costs a warning and no more.
func TestCalibrateWarns(t *testing.T) {
	file := filepath.Join(t.TempDir(), "costs.json")
	require.NoError(t, os.WriteFile(file, []byte("{"), 0o600))
	var warnings []string
	measured := 0
	opts := &CalibrateOptions{File: file, Warn: func(err error) { warnings = append(warnings, err.Error()) },
		measure: func(context.Context) (cost.Costs, error) { measured++; return someCosts(), nil }}
	_, err := Calibrate(background(), opts)
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Contains(t, warnings[0], "measured anew")
	_, err = readCosts(file, originHere())
	require.NoError(t, err, "it was not replaced")

	require.Equal(t, 1, measured)
	_, err = Calibrate(background(), opts)
	require.NoError(t, err)
	require.Equal(t, 1, measured, "what is kept was not used")
	opts.Fresh = true
	_, err = Calibrate(background(), opts)
	require.NoError(t, err)
	require.Equal(t, 2, measured)
	require.Len(t, warnings, 1)

	opts.Fresh, opts.File, warnings = false, filepath.Join(file, "costs.json"), nil // below a file
	_, err = Calibrate(background(), opts)
	require.NoError(t, err)
	require.NotEmpty(t, warnings)
	require.Contains(t, warnings[len(warnings)-1], "not kept")
}

// Programs on one machine that differ in what prices depend on keep an entry each, and don't replace each
// other's; the oldest of too many goes.
func TestCostsOfSeveralPrograms(t *testing.T) {
	file := filepath.Join(t.TempDir(), "costs.json")
	of := func(procs int) origin { o := originHere(); o.GOMAXPROCS = procs; return o }
	large := someCosts()
	for range mostPoints - len(large.Copy) {
		last := large.Copy[len(large.Copy)-1]
		large.Copy = append(large.Copy, cost.At{Bytes: last.Bytes + 1e9, NS: last.NS + 1.0/3})
	}
	large.Ref, large.Value, large.Pipe, large.Gob = large.Copy, large.Copy, large.Copy, large.Copy
	for procs := range mostKept {
		require.NoError(t, keepCosts(file, keptCosts{of(procs), large}))
	}
	for range 3 {
		for procs := range mostKept {
			got, err := readCosts(file, of(procs))
			require.NoError(t, err)
			require.Equal(t, large.Copy, got.Copy)
		}
		require.NoError(t, keepCosts(file, keptCosts{of(0), large}))
	}
	require.NoError(t, keepCosts(file, keptCosts{of(mostKept), large}))
	_, err := readCosts(file, of(1))
	require.ErrorIs(t, err, errNoCosts, "the oldest is gone")
	_, err = readCosts(file, of(0))
	require.NoError(t, err, "which was kept afresh")
}

// Writers at the same moment leave a whole file, whoever was last.
func TestCostsWritersAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "costs.json")
	var writers sync.WaitGroup
	for i := range 8 {
		writers.Go(func() {
			o := originHere()
			o.GOMAXPROCS = i
			for range 20 {
				if err := keepCosts(file, keptCosts{o, someCosts()}); err != nil {
					t.Error(err)
				}
				if _, err := readCosts(file, o); err != nil && !errors.Is(err, errNoCosts) {
					t.Error(err)
				}
			}
		})
	}
	writers.Wait()
	left, err := os.ReadDir(filepath.Dir(file))
	require.NoError(t, err)
	require.Len(t, left, 1, "a temporary file is left")
}

func FuzzDecodeCosts(f *testing.F) {
	here := originHere()
	there := here
	there.Cores++
	b, err := json.Marshal(costsContent{costsVersion, []keptCosts{{there, someCosts()}, {here, someCosts()}}})
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"version":2}`))
	f.Add(bytes.Replace(b, []byte(`"ns":100`), []byte(`"ns":-1`), 1))
	f.Add([]byte(`{"version":2,"entries":[{},null,{"costs":{"copy":[null,{"bytes":-1}]}}]}`))
	f.Add([]byte(`[]`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCosts(b, here)
		if err == nil {
			require.NoError(t, checkCosts(&c))
			_, err = json.Marshal(c)
			require.NoError(t, err)
		}
		// Whatever was there, what is kept next can be read.
		file := filepath.Join(dir, "costs.json")
		require.NoError(t, os.WriteFile(file, b, 0o600))
		require.NoError(t, keepCosts(file, keptCosts{here, someCosts()}))
		c, err = readCosts(file, here)
		require.NoError(t, err)
		require.Equal(t, someCosts().Copy, c.Copy)
	})
}

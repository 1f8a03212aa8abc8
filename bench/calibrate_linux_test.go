package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"example.com/handoff/pool/classify"
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
	require.Greater(t, c.ProcessGob.NsPerByte, c.Process.NsPerByte)
	require.Greater(t, c.Gob.NsPerByte, c.Process.NsPerByte)
	require.Greater(t, c.GobFresh.FixedNs, c.Gob.FixedNs)
	require.Greater(t, c.StartNs, c.Process.FixedNs)
	require.Zero(t, c.Goroutine.NsPerByte)
	require.Zero(t, c.ProcessRef.NsPerByte)

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

// The end of the context ends it.
func TestCalibrateCancelled(t *testing.T) {
	held(t)
	ctx, cancel := context.WithCancel(background())
	cancel()
	_, err := Calibrate(ctx, &CalibrateOptions{File: filepath.Join(t.TempDir(), "costs.json")})
	require.ErrorIs(t, err, context.Canceled)
}

func someCosts() classify.Costs {
	rc := classify.RouteCost{FixedNs: 100, NsPerByte: 0.5}
	return classify.Costs{Goroutine: rc, Split: rc, Process: rc, ProcessRef: rc, ProcessGob: rc, Gob: rc, GobFresh: rc,
		WakeNs: 1, StartNs: 2, MeasuredAt: time.Now().UTC().Truncate(time.Second)}
}

func TestReadCosts(t *testing.T) {
	here := originHere()
	require.NotEmpty(t, here.Kernel)
	require.NotEmpty(t, here.Go)
	there := here
	there.Kernel = "5.4.0-other"
	good := func(t *testing.T, file string) { require.NoError(t, writeCosts(file, here, someCosts())) }
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
		"other kernel": {func(t *testing.T, file string) { require.NoError(t, writeCosts(file, there, someCosts())) }, `kernel was "5.4.0-other"`},
		"version":      {edited(`"version": 1`, `"version": 2`), "version 2, expected 1"},
		"negative":     {edited(`"fixed_ns": 100`, `"fixed_ns": -100`), "damaged: "},
		"no number":    {edited(`"fixed_ns": 100`, `"fixed_ns": "x"`), "damaged: "},
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
				require.Equal(t, someCosts().Process, c.Process)
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
		measure: func(context.Context) (classify.Costs, error) { measured++; return someCosts(), nil }}
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

func FuzzDecodeCosts(f *testing.F) {
	here := originHere()
	b, err := json.Marshal(keptCosts{costsVersion, here, someCosts()})
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte(`{"version":1}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := decodeCosts(b, here)
		if err == nil {
			require.NoError(t, checkCosts(&c))
			_, err = json.Marshal(c)
			require.NoError(t, err)
		}
	})
}

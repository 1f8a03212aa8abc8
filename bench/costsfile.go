package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"runtime"
	"runtime/debug"
	"time"

	"example.com/handoff/pool/batch/outfile"
	"example.com/handoff/pool/classify"
)

// The costs are kept as one JSON object:
//
//	{"version": 1, "origin": {…}, "costs": {…}}
const costsVersion = 1

// maxCostsBytes is far more than such a file has.
const maxCostsBytes = 64 << 10

type keptCosts struct {
	Version int            `json:"version"`
	Origin  origin         `json:"origin"`
	Costs   classify.Costs `json:"costs"`
}

// An origin names all that costs depend on. Costs with another origin are not used.
type origin struct {
	OS         string `json:"os"`
	Arch       string `json:"arch"`
	CPU        string `json:"cpu"`
	Cores      int    `json:"cores"`
	GOMAXPROCS int    `json:"gomaxprocs"`
	Kernel     string `json:"kernel"`
	Go         string `json:"go"`
	Handoff    string `json:"handoff"`
}

func originHere() origin {
	m := machine()
	return origin{m.OS, m.Arch, m.CPU, m.Cores, m.GOMAXPROCS, m.Kernel, runtime.Version(), version()}
}

// version is this module's, with its revision where the build knows it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	module := path.Dir(reflect.TypeFor[Report]().PkgPath())
	for _, dep := range info.Deps {
		if dep.Path == module {
			return dep.Version
		}
	}
	text := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" || s.Key == "vcs.modified" {
			text += " " + s.Value
		}
	}
	return text
}

func costsFile() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "handoff", "costs.json"), nil
}

// errNoCosts: nothing is kept yet.
var errNoCosts = errors.New("no costs are kept")

// readCosts reads a file that anybody may have written.
func readCosts(file string, here origin) (c classify.Costs, err error) {
	info, err := os.Lstat(file) // before it is opened: a FIFO would wait
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return c, errNoCosts
	case err != nil:
		return c, err
	case !info.Mode().IsRegular():
		return c, fmt.Errorf("%s is no regular file", file)
	case info.Mode().Perm()&0o022 != 0:
		return c, fmt.Errorf("%s can be written by others (mode %v)", file, info.Mode().Perm())
	case info.Size() > maxCostsBytes:
		return c, fmt.Errorf("%s has %d bytes, at most %d are expected", file, info.Size(), maxCostsBytes)
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return c, err
	}
	if c, err = decodeCosts(b, here); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

// decodeCosts takes nothing but whole costs of that origin.
func decodeCosts(b []byte, here origin) (classify.Costs, error) {
	var kept keptCosts
	if err := json.Unmarshal(b, &kept); err != nil {
		return classify.Costs{}, fmt.Errorf("damaged: %w", err)
	}
	if kept.Version != costsVersion {
		return classify.Costs{}, fmt.Errorf("version %d, expected %d", kept.Version, costsVersion)
	}
	if kept.Origin != here {
		return classify.Costs{}, fmt.Errorf("measured on another machine or with another version: %s", kept.Origin.difference(here))
	}
	return kept.Costs, checkCosts(&kept.Costs)
}

// difference names the first field that differs.
func (o origin) difference(here origin) string {
	was, is := reflect.ValueOf(o), reflect.ValueOf(here)
	for i := range was.NumField() {
		if a, b := was.Field(i).Interface(), is.Field(i).Interface(); a != b {
			return fmt.Sprintf("%s was %.100q, is %.100q", was.Type().Field(i).Tag.Get("json"), fmt.Sprint(a), fmt.Sprint(b))
		}
	}
	return ""
}

// checkCosts refuses what no calibration finds.
func checkCosts(c *classify.Costs) error {
	const most = 1e12 // a quarter of an hour
	within := func(x float64) bool { return x >= 0 && x < most && !math.IsNaN(x) }
	for name, rc := range map[string]classify.RouteCost{
		"goroutine": c.Goroutine, "split": c.Split, "process": c.Process, "process_ref": c.ProcessRef,
		"process_gob": c.ProcessGob, "gob": c.Gob, "gob_fresh": c.GobFresh,
	} {
		if !within(rc.FixedNs) || !within(rc.NsPerByte) || rc == (classify.RouteCost{}) {
			return fmt.Errorf("damaged: %s is %g ns and %g ns a byte", name, rc.FixedNs, rc.NsPerByte)
		}
	}
	if !within(c.WakeNs) || !within(c.StartNs) {
		return fmt.Errorf("damaged: wake_ns is %g, start_ns %g", c.WakeNs, c.StartNs)
	}
	if c.MeasuredAt.IsZero() || time.Until(c.MeasuredAt) > 24*time.Hour {
		return fmt.Errorf("damaged: measured at %v", c.MeasuredAt)
	}
	return nil
}

// writeCosts makes the file appear whole, and readable by this user alone.
func writeCosts(file string, here origin, c classify.Costs) (err error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetIndent("", "  ")
	if err := e.Encode(keptCosts{costsVersion, here, c}); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := outfile.Create(file)
	if err != nil {
		return err
	}
	err = f.Chmod(0o600)
	if err == nil {
		_, err = f.Write(b.Bytes())
	}
	if err == nil {
		err = f.Commit()
	}
	return errors.Join(err, f.Close())
}

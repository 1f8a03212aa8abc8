package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"example.com/handoff/bench/cost"
	"example.com/handoff/pool/batch/outfile"
)

// The costs are kept as one JSON object, the entry that was written last first:
//
//	{"version": 2, "entries": [{"origin": {…}, "costs": {…}}, …]}
//
// The version changes with the format and with what costs mean, and is in the file's name: programs of
// two versions have two files.
const costsVersion = 2

const (
	mostKept      = 8
	maxCostsBytes = 256 << 10 // far more than such a file has
	mostPoints    = 32        // of a curve
)

type costsContent struct {
	Version int         `json:"version"`
	Entries []keptCosts `json:"entries"`
}

type keptCosts struct {
	Origin origin     `json:"origin"`
	Costs  cost.Costs `json:"costs"`
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
}

func originHere() origin {
	m := machine()
	return origin{m.OS, m.Arch, m.CPU, m.Cores, m.GOMAXPROCS, m.Kernel, runtime.Version()}
}

func costsFile() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(dir, "handoff", fmt.Sprintf("costs-%d.json", costsVersion)), nil
}

// errNoCosts: nothing is kept yet that was measured here.
var errNoCosts = errors.New("no costs are kept")

// readCosts reads the entry of an origin from a file that anybody may have written.
func readCosts(file string, here origin) (c cost.Costs, err error) {
	b, err := readCostsFile(file)
	if err != nil {
		return c, err
	}
	if c, err = decodeCosts(b, here); err != nil {
		return c, fmt.Errorf("%s: %w", file, err)
	}
	return c, nil
}

func readCostsFile(file string) ([]byte, error) {
	info, err := os.Lstat(file) // before it is opened: a FIFO would wait
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, errNoCosts
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", file)
	case info.Mode().Perm()&0o022 != 0:
		return nil, fmt.Errorf("%s can be written by others (mode %v)", file, info.Mode().Perm())
	case info.Size() > maxCostsBytes:
		return nil, fmt.Errorf("%s has %d bytes, at most %d are expected", file, info.Size(), maxCostsBytes)
	}
	return os.ReadFile(file)
}

// decodeCosts takes nothing but whole costs of that origin.
func decodeCosts(b []byte, here origin) (cost.Costs, error) {
	kept, err := decodeEntries(b)
	if err != nil {
		return cost.Costs{}, err
	}
	i := slices.IndexFunc(kept, func(k keptCosts) bool { return k.Origin == here })
	if i < 0 {
		return cost.Costs{}, errNoCosts
	}
	return kept[i].Costs, checkCosts(&kept[i].Costs)
}

func decodeEntries(b []byte) ([]keptCosts, error) {
	var content costsContent
	if err := json.Unmarshal(b, &content); err != nil {
		return nil, fmt.Errorf("damaged: %w", err)
	}
	if content.Version != costsVersion {
		return nil, fmt.Errorf("version %d, expected %d", content.Version, costsVersion)
	}
	return content.Entries, nil
}

// checkCosts refuses what no calibration finds.
func checkCosts(c *cost.Costs) error {
	const most = 1e12 // a quarter of an hour
	within := func(x float64) bool { return x >= 0 && x < most }
	for name, curve := range map[string]cost.Curve{
		"goroutine": c.Goroutine, "split": c.Split, "ref": c.Ref, "copy": c.Copy, "value": c.Value,
		"pipe": c.Pipe, "gob": c.Gob, "gob_fresh": c.GobFresh,
	} {
		err := curve.Check()
		if err == nil && (len(curve) > mostPoints || slices.ContainsFunc(curve, func(p cost.At) bool { return !within(p.NS) })) {
			err = errors.New("more than any calibration finds")
		}
		if err != nil {
			return fmt.Errorf("damaged: %s: %w", name, err)
		}
	}
	if c.Shared != nil {
		return errors.New("damaged: shared is not measured by a calibration")
	}
	if !within(c.WakeNS) || !within(c.StartNS) {
		return fmt.Errorf("damaged: wake_ns is %g, start_ns %g", c.WakeNS, c.StartNS)
	}
	if c.MeasuredAt.IsZero() || time.Until(c.MeasuredAt) > 24*time.Hour {
		return fmt.Errorf("damaged: measured at %v", c.MeasuredAt)
	}
	return nil
}

// keepCosts puts an entry first, in place of one with its origin, and keeps the others that are in order.
// The file appears whole, and is readable by this user alone.
func keepCosts(file string, k keptCosts) error {
	entries := []keptCosts{k}
	if b, err := readCostsFile(file); err == nil {
		old, _ := decodeEntries(b) // what is damaged is replaced
		for _, o := range old {
			if len(entries) < mostKept && checkCosts(&o.Costs) == nil && !slices.ContainsFunc(entries, func(e keptCosts) bool { return e.Origin == o.Origin }) {
				entries = append(entries, o)
			}
		}
	}
	b, err := json.MarshalIndent(costsContent{costsVersion, entries}, "", " ")
	for err == nil && len(b) > maxCostsBytes && len(entries) > 1 { // it has to be readable again
		entries = entries[:len(entries)-1]
		b, err = json.MarshalIndent(costsContent{costsVersion, entries}, "", " ")
	}
	if err != nil {
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
		_, err = f.Write(append(b, '\n'))
	}
	if err == nil {
		err = f.Commit()
	}
	return errors.Join(err, f.Close())
}

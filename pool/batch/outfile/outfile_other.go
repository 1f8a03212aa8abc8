//go:build !linux

package outfile

import (
	"errors"
	"os"
	"path/filepath"
)

func openNameless(string) (*os.File, error) { return nil, errors.ErrUnsupported }
func link(*os.File, string) error           { return errors.ErrUnsupported }
func lock(*os.File) bool                    { return true }
func removeLeftover(string)                 {}

// replaceable finds whether a file can be made in the folder, by making one.
func replaceable(path string, _ bool) error {
	probe, err := os.CreateTemp(filepath.Dir(path), ".handoff-*")
	if err != nil {
		return err
	}
	return errors.Join(probe.Close(), os.Remove(probe.Name()))
}

package main

import (
	"io/fs"

	"golang.org/x/sys/unix"
)

// canWrite reports, as an error, that no file can be made in a folder. It makes none:
// a process killed meanwhile would leave it.
func canWrite(dir string) error {
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return &fs.PathError{Op: "access", Path: dir, Err: err}
	}
	return nil
}

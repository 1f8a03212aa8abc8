package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

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

// openPipe opens a pipe that somebody reads, or is about to.
func openPipe(name string) (*os.File, error) {
	const tries, pause = 40, 50 * time.Millisecond
	for range tries {
		f, err := os.OpenFile(name, os.O_WRONLY|unix.O_NONBLOCK, 0)
		if !errors.Is(err, unix.ENXIO) {
			return f, err
		}
		time.Sleep(pause)
	}
	return nil, fmt.Errorf("%s is a pipe that nobody reads", name)
}

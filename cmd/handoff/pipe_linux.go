package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

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

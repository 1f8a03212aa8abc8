//go:build !linux

package main

import "os"

func canWrite(dir string) error {
	probe, err := os.CreateTemp(dir, ".handoff-*")
	if err != nil {
		return err
	}
	probe.Close()
	return os.Remove(probe.Name())
}

func openPipe(name string) (*os.File, error) { return os.OpenFile(name, os.O_WRONLY, 0) }

//go:build !linux

package main

import "os"

func openPipe(name string) (*os.File, error) { return os.OpenFile(name, os.O_WRONLY, 0) }

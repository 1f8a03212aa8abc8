//go:build !linux

package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"runtime"
)

// OS returns the file system of the machine, which is not supported on this platform.
func OS() FS { return noFS{} }

type noFS struct{}

func (noFS) err() error {
	return fmt.Errorf("a journal on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}

func (n noFS) OpenFile(string, int, fs.FileMode) (File, error) { return nil, n.err() }
func (n noFS) Mkdir(string, fs.FileMode) error                 { return n.err() }
func (n noFS) Rename(string, string) error                     { return n.err() }
func (n noFS) Remove(string) error                             { return n.err() }
func (n noFS) Stat(string) (fs.FileInfo, error)                { return nil, n.err() }
func (n noFS) ReadDir(string) ([]fs.DirEntry, error)           { return nil, n.err() }
func (n noFS) SyncDir(string) error                            { return n.err() }
func (n noFS) Lock(string) (io.Closer, error)                  { return nil, n.err() }

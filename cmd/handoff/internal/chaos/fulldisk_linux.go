package chaos

import (
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"example.com/handoff/pool/journal"
)

// DiskFullWhile is a file system that is full as long as a file is there; nil for "".
func DiskFullWhile(file string) journal.FS {
	if file == "" {
		return nil
	}
	return fullDisk{journal.OS(), file}
}

// A fullDisk is a file system that is full as long as a file is there. What it
// refuses it counts in that file, a byte each.
type fullDisk struct {
	journal.FS
	flag string
}

func (d fullDisk) full() bool {
	f, err := os.OpenFile(d.flag, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = f.Write([]byte("x"))
	return err == nil
}

func (d fullDisk) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	f, err := d.FS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return fullFile{f, d, name}, nil
}

func (d fullDisk) Mkdir(name string, perm fs.FileMode) error {
	if d.full() {
		return &fs.PathError{Op: "mkdir", Path: name, Err: unix.ENOSPC}
	}
	return d.FS.Mkdir(name, perm)
}

type fullFile struct {
	journal.File
	disk fullDisk
	name string
}

// write writes half of b on a full disk: there is room for a part, as a rule.
func (f fullFile) write(b []byte, write func([]byte) (int, error)) (int, error) {
	if len(b) == 0 || !f.disk.full() {
		return write(b)
	}
	n, err := write(b[:len(b)/2])
	if err == nil {
		err = &fs.PathError{Op: "write", Path: f.name, Err: unix.ENOSPC}
	}
	return n, err
}

func (f fullFile) Write(b []byte) (int, error) { return f.write(b, f.File.Write) }

func (f fullFile) WriteAt(b []byte, off int64) (int, error) {
	return f.write(b, func(b []byte) (int, error) { return f.File.WriteAt(b, off) })
}

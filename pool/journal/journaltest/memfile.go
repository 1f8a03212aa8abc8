package journaltest

import (
	"io"
	"io/fs"
	"path/filepath"
)

// A memFile is an open file of a PowerCut.
type memFile struct {
	fs      *PowerCut
	name    string
	node    *node
	appends bool

	// guarded by fs.mu
	at     int64
	closed bool
}

// begin lists an operation that changes the file and takes the mutex.
func (f *memFile) begin(kind string, bytes int) error {
	f.fs.begin(kind, f.name, bytes)
	return f.open(kind)
}

// open needs the mutex.
func (f *memFile) open(kind string) error {
	if f.closed {
		return pathError(kind, f.name, fs.ErrClosed)
	}
	return nil
}

func (f *memFile) readLocked(b []byte, at int64) (int, error) {
	if err := f.open("read"); err != nil {
		return 0, err
	}
	if at < 0 {
		return 0, pathError("read", f.name, fs.ErrInvalid)
	}
	if len(b) == 0 {
		return 0, nil
	}
	if at >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	return copy(b, f.node.data[at:]), nil
}

func (f *memFile) Read(b []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n, err := f.readLocked(b, f.at)
	f.at += int64(n)
	return n, err
}

func (f *memFile) ReadAt(b []byte, at int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n, err := f.readLocked(b, at)
	if err == nil && n < len(b) {
		err = io.EOF
	}
	return n, err
}

func (f *memFile) Write(b []byte) (int, error) {
	err := f.begin("write", len(b))
	defer f.fs.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if f.appends {
		f.at = int64(len(f.node.data))
	}
	if len(b) > 0 {
		f.node.write(b, f.at)
	}
	f.at += int64(len(b))
	return len(b), nil
}

func (f *memFile) WriteAt(b []byte, at int64) (int, error) {
	err := f.begin("write", len(b))
	defer f.fs.mu.Unlock()
	if err == nil && at < 0 {
		err = pathError("write", f.name, fs.ErrInvalid)
	}
	if err != nil {
		return 0, err
	}
	if len(b) > 0 {
		f.node.write(b, at)
	}
	return len(b), nil
}

func (f *memFile) Truncate(size int64) error {
	err := f.begin("truncate", 0)
	defer f.fs.mu.Unlock()
	if err == nil {
		f.node.truncate(size)
	}
	return err
}

func (f *memFile) Sync() error {
	err := f.begin("sync", 0)
	defer f.fs.mu.Unlock()
	if err == nil {
		f.node.sync()
	}
	return err
}

// loseDirty forgets what was not synced, as the kernel does after a failed fsync.
func (f *memFile) loseDirty() {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.node.loseDirty()
}

func (f *memFile) Stat() (fs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.open("stat"); err != nil {
		return nil, err
	}
	return f.node.info(filepath.Base(f.name)), nil
}

func (f *memFile) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	err := f.open("close")
	f.closed = true
	return err
}

package journaltest

import (
	"io"
	"io/fs"
	"slices"
	"sync"

	"example.com/handoff/pool/journal"
)

// An Op is an operation on a file system. Kind is "open", "mkdir", "rename",
// "remove", "stat", "readdir", "syncdir", "lock" or "unlock", and for an open file
// "read", "write", "truncate", "sync", "fstat" or "close".
type Op struct {
	Kind  string
	Name  string // the path; of a rename the old one
	Bytes int    // of a read or write
}

// A Tap is a file system over another one that lists the operations and may do
// something at one of them: see FailAt and KillAt.
type Tap struct {
	under journal.FS

	mu  sync.Mutex
	ops []Op
	// at is told the number of an operation, from 1. If it returns an error the
	// operation is not done; half does half of a write, and all of others.
	at func(n int, op Op, half func() (int, error)) (done int, err error)
}

// Ops returns the operations so far, the one that failed among them.
func (t *Tap) Ops() []Op {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.ops)
}

func (t *Tap) step(op Op, half func() (int, error)) (int, error) {
	t.mu.Lock()
	t.ops = append(t.ops, op)
	n := len(t.ops)
	t.mu.Unlock()
	return t.at(n, op, half)
}

// do is step for what has no bytes.
func (t *Tap) do(kind, name string, op func() error) error {
	if _, err := t.step(Op{Kind: kind, Name: name}, func() (int, error) { return 0, op() }); err != nil {
		return err
	}
	return op()
}

// value is do for what returns something.
func value[T any](t *Tap, kind, name string, op func() (T, error)) (v T, err error) {
	err = t.do(kind, name, func() (err error) {
		v, err = op()
		return err
	})
	return v, err
}

func (t *Tap) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	return value(t, "open", name, func() (journal.File, error) {
		f, err := t.under.OpenFile(name, flag, perm)
		if err != nil {
			return nil, err
		}
		return &tapFile{t, name, f}, nil
	})
}

func (t *Tap) Mkdir(name string, perm fs.FileMode) error {
	return t.do("mkdir", name, func() error { return t.under.Mkdir(name, perm) })
}

func (t *Tap) Rename(from, to string) error {
	return t.do("rename", from, func() error { return t.under.Rename(from, to) })
}

func (t *Tap) Remove(name string) error {
	return t.do("remove", name, func() error { return t.under.Remove(name) })
}

func (t *Tap) Stat(name string) (fs.FileInfo, error) {
	return value(t, "stat", name, func() (fs.FileInfo, error) { return t.under.Stat(name) })
}

func (t *Tap) ReadDir(name string) ([]fs.DirEntry, error) {
	return value(t, "readdir", name, func() ([]fs.DirEntry, error) { return t.under.ReadDir(name) })
}

func (t *Tap) SyncDir(name string) error {
	return t.do("syncdir", name, func() error { return t.under.SyncDir(name) })
}

func (t *Tap) Lock(name string) (io.Closer, error) {
	return value(t, "lock", name, func() (io.Closer, error) {
		l, err := t.under.Lock(name)
		if err != nil {
			return nil, err
		}
		return &tapLock{t, name, l}, nil
	})
}

type tapLock struct {
	t    *Tap
	name string
	lock io.Closer
}

// Close unlocks also if it fails, as close does.
func (l *tapLock) Close() error {
	if _, err := l.t.step(Op{Kind: "unlock", Name: l.name}, func() (int, error) { return 0, l.lock.Close() }); err != nil {
		l.lock.Close()
		return err
	}
	return l.lock.Close()
}

type tapFile struct {
	t    *Tap
	name string
	file journal.File
}

// bytes does a read or write of b.
func (f *tapFile) bytes(kind string, b []byte, op func([]byte) (int, error)) (int, error) {
	n, err := f.t.step(Op{kind, f.name, len(b)}, func() (int, error) { return op(b[:len(b)/2]) })
	if err != nil {
		return n, err
	}
	return op(b)
}

func (f *tapFile) Read(b []byte) (int, error)  { return f.bytes("read", b, f.file.Read) }
func (f *tapFile) Write(b []byte) (int, error) { return f.bytes("write", b, f.file.Write) }

func (f *tapFile) ReadAt(b []byte, off int64) (int, error) {
	return f.bytes("read", b, func(b []byte) (int, error) { return f.file.ReadAt(b, off) })
}

func (f *tapFile) WriteAt(b []byte, off int64) (int, error) {
	return f.bytes("write", b, func(b []byte) (int, error) { return f.file.WriteAt(b, off) })
}

func (f *tapFile) Truncate(size int64) error {
	return f.t.do("truncate", f.name, func() error { return f.file.Truncate(size) })
}

func (f *tapFile) Sync() error {
	err := f.t.do("sync", f.name, f.file.Sync)
	if err != nil {
		f.loseDirty()
	}
	return err
}

// loseDirty tells a PowerCut that a Sync has failed.
func (f *tapFile) loseDirty() {
	if lossy, ok := f.file.(interface{ loseDirty() }); ok {
		lossy.loseDirty()
	}
}

func (f *tapFile) Stat() (fs.FileInfo, error) {
	return value(f.t, "fstat", f.name, f.file.Stat)
}

// Close closes also if it fails, as close does.
func (f *tapFile) Close() error {
	err := f.t.do("close", f.name, f.file.Close)
	if err != nil {
		f.file.Close()
	}
	return err
}

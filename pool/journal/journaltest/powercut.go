package journaltest

import (
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"example.com/handoff/pool/journal"
)

// A PowerCut is a file system in memory, with a root folder, that keeps apart what is
// synced and what is not. It has no links. Rename works within one folder.
type PowerCut struct {
	// Before, if not nil, is called before every operation that changes or syncs
	// something, and may take images. Set it before the first one.
	Before func(Op)

	mu     sync.Mutex
	root   *node
	locked map[string]bool
	ops    []Op
}

// NewPowerCut returns an empty file system.
func NewPowerCut() *PowerCut {
	return &PowerCut{root: newNode(true, 0o700), locked: map[string]bool{}}
}

// Image returns a file system as the loss of power at this moment may leave this one,
// with everything in it durable and nothing locked. Of what was not synced about the
// fraction keep (0…1) is there; see the package's Failure. The same seed gives the
// same image. This file system is not changed.
func (p *PowerCut) Image(seed uint64, keep float64) *PowerCut {
	p.mu.Lock()
	defer p.mu.Unlock()
	made := NewPowerCut()
	made.root = p.root.image(rand.New(rand.NewPCG(seed, 0)), keep, map[*node]*node{})
	return made
}

// Ops returns the operations so far that change or sync something.
func (p *PowerCut) Ops() []Op {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.ops)
}

// begin lists an operation and takes the mutex.
func (p *PowerCut) begin(kind, name string, bytes int) {
	op := Op{kind, name, bytes}
	p.mu.Lock()
	p.ops = append(p.ops, op)
	before := p.Before
	p.mu.Unlock()
	if before != nil {
		before(op)
	}
	p.mu.Lock()
}

func words(name string) []string {
	name = filepath.ToSlash(filepath.Clean(name))
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
}

// walk finds a node; nil if it is not there.
func (p *PowerCut) walk(words []string) (*node, error) {
	n := p.root
	for _, w := range words {
		if w == "." {
			continue
		}
		if !n.dir {
			return nil, errNoFolder
		}
		if n = n.names[w]; n == nil {
			return nil, fs.ErrNotExist
		}
	}
	return n, nil
}

var (
	errNoFolder = errors.New("not a folder")
	errNotEmpty = errors.New("folder is not empty")
	errFolder   = errors.New("is a folder")
)

// parent finds the folder in which a name lies, and the node of that name if any.
func (p *PowerCut) parent(name string) (dir *node, last string, n *node, err error) {
	w := words(name)
	if len(w) == 0 || w[len(w)-1] == "." {
		return nil, "", nil, fs.ErrInvalid
	}
	last = w[len(w)-1]
	dir, err = p.walk(w[:len(w)-1])
	if err == nil && !dir.dir {
		err = errNoFolder
	}
	if err != nil {
		return nil, "", nil, err
	}
	return dir, last, dir.names[last], nil
}

func pathError(op, name string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

func (p *PowerCut) OpenFile(name string, flag int, perm fs.FileMode) (journal.File, error) {
	p.begin("open", name, 0)
	defer p.mu.Unlock()
	dir, last, n, err := p.parent(name)
	switch {
	case err != nil:
	case n == nil && flag&os.O_CREATE == 0:
		err = fs.ErrNotExist
	case n != nil && flag&os.O_CREATE != 0 && flag&os.O_EXCL != 0:
		err = fs.ErrExist
	case n != nil && n.dir:
		err = errFolder
	case n == nil:
		n = newNode(false, perm)
		dir.rename(rename{set: last, node: n})
	case flag&os.O_TRUNC != 0:
		n.truncate(0)
	}
	if err != nil {
		return nil, pathError("open", name, err)
	}
	return &memFile{fs: p, name: name, node: n, appends: flag&os.O_APPEND != 0}, nil
}

func (p *PowerCut) Mkdir(name string, perm fs.FileMode) error {
	p.begin("mkdir", name, 0)
	defer p.mu.Unlock()
	dir, last, n, err := p.parent(name)
	if err == nil && n != nil {
		err = fs.ErrExist
	}
	if err == nil {
		dir.rename(rename{set: last, node: newNode(true, perm)})
	}
	return pathError("mkdir", name, err)
}

func (p *PowerCut) Rename(from, to string) error {
	p.begin("rename", from, 0)
	defer p.mu.Unlock()
	dir, last, n, err := p.parent(from)
	dir2, last2, old, err2 := p.parent(to)
	switch err = errors.Join(err, err2); {
	case err != nil:
	case dir != dir2:
		err = errors.New("a PowerCut renames within one folder only")
	case n == nil:
		err = fs.ErrNotExist
	case old != nil && old.dir:
		err = fs.ErrExist
	case n != old:
		dir.rename(rename{remove: last, set: last2, node: n})
	}
	return pathError("rename", from, err)
}

func (p *PowerCut) Remove(name string) error {
	p.begin("remove", name, 0)
	defer p.mu.Unlock()
	dir, last, n, err := p.parent(name)
	switch {
	case err != nil:
	case n == nil:
		err = fs.ErrNotExist
	case n.dir && len(n.names) > 0:
		err = errNotEmpty
	default:
		dir.rename(rename{remove: last})
	}
	return pathError("remove", name, err)
}

func (p *PowerCut) Stat(name string) (fs.FileInfo, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.walk(words(name))
	if err != nil {
		return nil, pathError("stat", name, err)
	}
	return n.info(filepath.Base(name)), nil
}

func (p *PowerCut) ReadDir(name string) ([]fs.DirEntry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	n, err := p.walk(words(name))
	if err == nil && !n.dir {
		err = errNoFolder
	}
	if err != nil {
		return nil, pathError("readdir", name, err)
	}
	var entries []fs.DirEntry
	for name, child := range n.names {
		entries = append(entries, fs.FileInfoToDirEntry(child.info(name)))
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (p *PowerCut) SyncDir(name string) error {
	p.begin("syncdir", name, 0)
	defer p.mu.Unlock()
	n, err := p.walk(words(name))
	if err == nil && !n.dir {
		err = errNoFolder
	}
	if err == nil {
		n.syncNames()
	}
	return pathError("sync", name, err)
}

// Lock locks against everybody who uses this PowerCut.
func (p *PowerCut) Lock(name string) (io.Closer, error) {
	p.begin("lock", name, 0)
	defer p.mu.Unlock()
	dir, last, n, err := p.parent(name)
	if err != nil {
		return nil, pathError("lock", name, err)
	}
	if p.locked[filepath.Clean(name)] {
		return nil, &journal.LockedError{Path: name, PID: os.Getpid()}
	}
	p.locked[filepath.Clean(name)] = true
	if n == nil {
		dir.rename(rename{set: last, node: newNode(false, 0o600)})
	}
	return &memLock{p, name}, nil
}

type memLock struct {
	fs   *PowerCut
	name string
}

func (l *memLock) Close() error {
	l.fs.begin("unlock", l.name, 0)
	defer l.fs.mu.Unlock()
	if !l.fs.locked[filepath.Clean(l.name)] {
		return fs.ErrClosed
	}
	delete(l.fs.locked, filepath.Clean(l.name))
	if dir, last, n, err := l.fs.parent(l.name); err == nil && n != nil {
		dir.rename(rename{remove: last})
	}
	return nil
}

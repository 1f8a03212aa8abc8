package journaltest

import (
	"io/fs"
	"math/rand/v2"
	"slices"
	"time"
)

// A node is a file or a folder, with what is durable of it and what was done since.
type node struct {
	dir  bool
	perm fs.FileMode

	data    []byte // of a file, as it is read
	durable []byte
	writes  []write

	names        map[string]*node // of a folder, as it is read
	durableNames map[string]*node
	renames      []rename
}

func newNode(dir bool, perm fs.FileMode) *node {
	n := &node{dir: dir, perm: perm}
	if dir {
		n.names, n.durableNames = map[string]*node{}, map[string]*node{}
	}
	return n
}

// A write is a write or, without data, a truncation.
type write struct {
	data []byte
	at   int64 // of a truncation the length
	size int64 // of the file after it
	lost bool  // a Sync has failed over it: it is in no image
}

// A rename makes a name, removes one, or both at once.
type rename struct {
	remove string
	set    string
	node   *node
}

func (r rename) apply(names map[string]*node) {
	delete(names, r.remove)
	if r.node != nil {
		names[r.set] = r.node
	}
}

func (n *node) rename(r rename) {
	r.apply(n.names)
	n.renames = append(n.renames, r)
}

func (n *node) syncNames() {
	for _, r := range n.renames {
		r.apply(n.durableNames)
	}
	n.renames = nil
}

// resize cuts data or adds zeros.
func resize(data []byte, size int64) []byte {
	if size <= int64(len(data)) {
		return data[:size]
	}
	return append(data, make([]byte, size-int64(len(data)))...)
}

func put(data, b []byte, at int64) []byte {
	data = resize(data, max(int64(len(data)), at+int64(len(b))))
	copy(data[at:], b)
	return data
}

func (n *node) write(b []byte, at int64) {
	n.data = put(n.data, b, at)
	n.writes = append(n.writes, write{data: slices.Clone(b), at: at, size: int64(len(n.data))})
}

func (n *node) truncate(size int64) {
	n.data = resize(n.data, size)
	n.writes = append(n.writes, write{at: size, size: size})
}

func (n *node) sync() {
	for _, w := range n.writes {
		if len(w.data) > 0 && !w.lost {
			n.durable = put(n.durable, w.data, w.at)
		}
		n.durable = resize(n.durable, w.size)
	}
	n.writes = nil
}

func (n *node) loseDirty() {
	for i := range n.writes {
		n.writes[i].lost = true
	}
}

// image returns the node as it may be after the power was cut.
func (n *node) image(r *rand.Rand, keep float64, seen map[*node]*node) *node {
	if made := seen[n]; made != nil {
		return made
	}
	made := newNode(n.dir, n.perm)
	seen[n] = made
	if !n.dir {
		made.durable = n.fileImage(r, keep)
		made.data = slices.Clone(made.durable)
		return made
	}
	names := map[string]*node{}
	for name, child := range n.durableNames {
		names[name] = child
	}
	for _, rename := range n.renames {
		if r.Float64() < keep {
			rename.apply(names)
		}
	}
	sorted := make([]string, 0, len(names)) // the same image for the same seed
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	for _, name := range sorted {
		child := names[name].image(r, keep, seen)
		made.names[name], made.durableNames[name] = child, child
	}
	return made
}

// fileImage is one of the contents that a file can have.
func (n *node) fileImage(r *rand.Rand, keep float64) []byte {
	data := slices.Clone(n.durable)
	block := int64(512)
	if r.IntN(2) == 0 {
		block = 4096
	}
	garbage := r.IntN(4) == 0
	grow := func(size int64) {
		had := len(data)
		if data = resize(data, max(int64(had), size)); garbage {
			for i := had; i < len(data); i++ {
				data[i] = byte(r.Uint32())
			}
		}
	}
	size, torn := int64(len(data)), r.IntN(4) == 0
	for _, w := range n.writes {
		length := r.Float64() < keep // the length of the file reaches the disk by itself
		if len(w.data) == 0 {
			if length {
				grow(w.size)
				data, size = data[:w.size], w.size
			}
			continue
		}
		end := w.at + int64(len(w.data))
		for at := w.at; at < end && !w.lost; {
			next := min(end, (at/block+1)*block)
			if r.Float64() < keep {
				piece := w.data[at-w.at : next-w.at]
				if torn {
					piece = piece[:r.IntN(len(piece)+1)]
				}
				grow(at + int64(len(piece)))
				copy(data[at:], piece)
			}
			at = next
		}
		if length {
			size = w.size
		}
	}
	grow(size)
	return data[:size]
}

// An info is the fs.FileInfo of a node.
type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (n *node) info(name string) info {
	i := info{name: name, size: int64(len(n.data)), mode: n.perm}
	if n.dir {
		i.mode |= fs.ModeDir
	}
	return i
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }

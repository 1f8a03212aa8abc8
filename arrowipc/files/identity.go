package files

import (
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// An Identity is what the operating system says of a file, to tell later whether
// it is still the same. Identities are compared with ==.
//
// A file that is written to twice within the few milliseconds that the clock of
// the file system advances by may look the same in between and after.
type Identity struct {
	Size       int64  `json:"size"`        // bytes
	ModTime    int64  `json:"mod_time"`    // when the content changed; nanoseconds since 1970
	ChangeTime int64  `json:"change_time"` // when the content, names, owner or mode changed; 0 if unknown
	Inode      uint64 `json:"inode"`       // 0 if unknown
	Device     uint64 `json:"device"`      // 0 if unknown
}

// Diff says in words what is different in later; "" if nothing is.
func (id Identity) Diff(later Identity) string {
	var d []string
	if id.Device != later.Device || id.Inode != later.Inode {
		d = append(d, fmt.Sprintf("another file (inode %d of device %d → %d of %d)", id.Inode, id.Device, later.Inode, later.Device))
	}
	if id.Size != later.Size {
		d = append(d, fmt.Sprintf("size %d → %d bytes", id.Size, later.Size))
	}
	if id.ModTime != later.ModTime {
		d = append(d, fmt.Sprintf("modified %s → %s", stamp(id.ModTime), stamp(later.ModTime)))
	}
	if id.ChangeTime != later.ChangeTime && len(d) == 0 {
		d = append(d, fmt.Sprintf("renamed, replaced or given other attributes: %s → %s", stamp(id.ChangeTime), stamp(later.ChangeTime)))
	}
	return strings.Join(d, ", ")
}

// SameContent reports whether size and time of the content are the same: copied with
// its times, moved, or with other attributes, a file still has the same content.
func (id Identity) SameContent(later Identity) bool {
	return id.Size == later.Size && id.ModTime == later.ModTime
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

// Identify is the Identity of the file at path, or of what a link there points to. The
// error is that of os.Stat.
func Identify(path string) (Identity, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Identity{}, err
	}
	return IdentityOf(info), nil
}

// IdentityOf is the Identity in what package os said of a file.
func IdentityOf(info fs.FileInfo) Identity {
	id := Identity{Size: info.Size(), ModTime: info.ModTime().UnixNano()}
	id.fill(info)
	return id
}

// checkUnchanged compares the content's size and time with those of id. The time
// of the last change does not count: to give the file another name, or its name
// to another file, changes it too, and the descriptor still holds the same bytes.
func checkUnchanged(f *os.File, id Identity) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	now := IdentityOf(info)
	if id.SameContent(now) {
		return nil
	}
	return &changed{id.Diff(now)}
}

type changed struct{ how string }

func (e *changed) Error() string { return "changed while it was read: " + e.how }

func (e *changed) Unwrap() error { return ErrChanged }

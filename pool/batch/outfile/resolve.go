package outfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// mostLinks bounds the symbolic links that a name leads through, as in the kernel.
const mostLinks = 40

var (
	errNotRegular = errors.New("expected a regular file, or a name that is not taken")
	errNoName     = errors.New("expected the name of a file")
	errLinks      = errors.New("too many levels of symbolic links")
	errMount      = errors.New("it is a mount point, which nothing can replace: mount its folder, or write to another file")
	errImmutable  = errors.New("its folder is immutable (chattr +i)")
	errAppendOnly = errors.New("its folder is append-only (chattr +a), where nothing can be renamed")
)

// Resolve returns the file that a write to name makes or replaces: absolute, and
// behind all links, of which the last one may lead to a file that is not there yet.
// It makes and changes nothing. The error is what a later Commit would fail with, as
// far as that can be seen: no folder or no permission to write there, a read-only or
// immutable place, a sticky folder with somebody else's file, a mount point, a name
// that is too long, something that is no regular file.
func Resolve(name string) (string, error) {
	path, err := follow(name)
	if err != nil {
		return "", Cause(err)
	}
	info, err := os.Lstat(path)
	switch {
	case err == nil && !info.Mode().IsRegular():
		return "", errNotRegular
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", Cause(err)
	}
	return path, Cause(replaceable(path, err == nil))
}

// follow goes through the links.
func follow(name string) (string, error) {
	for range mostLinks {
		dir, base := filepath.Split(name)
		if base == "" || base == "." || base == ".." {
			return "", errNoName
		}
		if dir == "" {
			dir = "."
		}
		dir, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return "", err
		}
		if dir, err = filepath.Abs(dir); err != nil {
			return "", err
		}
		path := filepath.Join(dir, base)
		target, err := os.Readlink(path)
		if err != nil { // not a link, or not there
			return path, nil
		}
		if name = target; !filepath.IsAbs(target) {
			name = dir + string(filepath.Separator) + target // not cleaned: x/.. may lead elsewhere
		}
	}
	return "", errLinks
}

// Same reports whether two names are one file: a regular file or a pipe that is there,
// or one that is not there yet. Devices may be named twice.
func Same(a, b string) bool {
	ia, errA := os.Stat(a)
	ib, errB := os.Stat(b)
	if errA == nil && errB == nil {
		return os.SameFile(ia, ib) && ia.Mode()&(fs.ModeDevice|fs.ModeDir) == 0
	}
	if errA == nil || errB == nil || a == "" || b == "" {
		return false
	}
	pa, errA := follow(a)
	pb, errB := follow(b)
	if errA != nil || errB != nil || filepath.Base(pa) != filepath.Base(pb) {
		return false
	}
	ia, errA = os.Stat(filepath.Dir(pa))
	ib, errB = os.Stat(filepath.Dir(pb))
	return errA == nil && errB == nil && os.SameFile(ia, ib)
}

// Cause returns the reason of a path or link error without its name, which may be of a
// file that the user has not given. It returns any other error as it is.
func Cause(err error) error {
	var path *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &path):
		return path.Err
	case errors.As(err, &link):
		return link.Err
	}
	return err
}

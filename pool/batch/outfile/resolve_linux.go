package outfile

import (
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// replaceable finds what would keep a file in a folder from being made, or from being
// replaced if it is there.
func replaceable(path string, there bool) error {
	dir := filepath.Dir(path)
	if err := unix.Faccessat(unix.AT_FDCWD, dir, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return err
	}
	switch a := attributes(dir); {
	case a&unix.STATX_ATTR_IMMUTABLE != 0:
		return errImmutable
	case a&unix.STATX_ATTR_APPEND != 0:
		return errAppendOnly
	}
	if !there {
		return nil
	}
	if attributes(path)&unix.STATX_ATTR_MOUNT_ROOT != 0 {
		return errMount
	}
	// Rmdir asks the kernel what rename asks about the file that it replaces: sticky
	// folder, immutable or append-only file, read-only file system, ids that are not
	// mapped. Then it finds that this is not a folder. EACCES is a rule for folders
	// alone, as the access to this one was asked for above.
	switch err := unix.Rmdir(path); {
	case err == nil, errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.EACCES), errors.Is(err, unix.ENOENT):
		return nil
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("it is immutable, or another user's in a sticky folder: %w", err)
	default:
		return err
	}
}

// attributes are those that the file system and the kernel know of.
func attributes(path string) uint64 {
	var st unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, unix.AT_SYMLINK_NOFOLLOW, 0, &st); err != nil {
		return 0
	}
	return st.Attributes & st.Attributes_mask
}

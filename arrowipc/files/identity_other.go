//go:build !linux

package files

import "io/fs"

// fill leaves at 0 what [fs.FileInfo] does not give everywhere.
func (id *Identity) fill(fs.FileInfo) {}

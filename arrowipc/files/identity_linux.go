package files

import (
	"io/fs"
	"syscall"
)

func (id *Identity) fill(info fs.FileInfo) {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id.ChangeTime, id.Inode, id.Device = st.Ctim.Nano(), st.Ino, uint64(st.Dev)
	}
}

package arrowipc

import "unsafe"

// start is the address of b's first byte, which is where its capacity begins
// too; nil for a slice without memory. It keys a block by where it lies, since
// Arrow passes the same memory under several lengths.
func start(b []byte) *byte {
	if cap(b) == 0 {
		return nil
	}
	return unsafe.SliceData(b)
}

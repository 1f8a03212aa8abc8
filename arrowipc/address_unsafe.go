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

// offsetIn is how many bytes into block the slice b starts, if all of b lies
// in it. The addresses are only compared.
func offsetIn(block, b []byte) (int, bool) {
	first := uintptr(unsafe.Pointer(unsafe.SliceData(block)))
	at := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	if at < first || at-first > uintptr(len(block)) || len(b) > len(block)-int(at-first) {
		return 0, false
	}
	return int(at - first), true
}

package shm

import "unsafe"

// elements is raw as a slice of T, capped at its length. raw comes from a
// mapping at an offset that is a multiple of T's alignment ([Ref.Validate]) and
// is a multiple of its size; bool bytes were checked when the view was made.
func elements[T Element](raw []byte) []T {
	if len(raw) == 0 {
		return nil
	}
	var zero T
	n := len(raw) / int(unsafe.Sizeof(zero))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(raw))), n)[:n:n]
}

// bytesOf is the memory of src as bytes.
func bytesOf[T Element](src []T) []byte {
	var zero T
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(src))), len(src)*int(unsafe.Sizeof(zero)))
}

// address identifies b for as long as it is mapped: mappings do not move.
func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }

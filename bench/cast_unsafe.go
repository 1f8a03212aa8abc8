package bench

import "unsafe"

// bytesOf is the memory of x as bytes, what a user of raw bytes would send.
func bytesOf(x []float64) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(x))), len(x)*elemBytes)
}

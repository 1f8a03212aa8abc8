package shm_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"example.com/handoff/shm"
)

// A Python program reads an array of a Go program where it lies: its Ref crosses
// as JSON, the elements do not move. The script is testdata/python/sum.py:
//
//	"""Adds up the array whose Ref is on standard input."""
//	import sys
//
//	import handoff_ref
//
//	x = handoff_ref.view(sys.stdin.read())
//	print(x.shape, "read-only" if x.readonly else "writable")
//	print(sum(x.cast("B").cast(x.format)))  # all elements, whatever the shape
//
// It imports testdata/python/handoff_ref.py, to be copied beside any script. It
// needs the standard library alone; handoff_ref.ndarray needs NumPy:
//
//	"""Arrays of handoff where they lie: no copy, standard library only, NumPy optional.
//
//	A Ref, as JSON, names an array: {"segment", "offset", "dtype", "shape"}.
//	"""
//	import json
//	import math
//	import mmap
//	import os
//	import struct
//
//	# What memoryview calls them. It has no complex numbers: they are pairs of floats.
//	FORMATS = {"bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
//	           "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
//	           "float32": "f", "float64": "d", "complex64": "f", "complex128": "d"}
//
//
//	def view(ref, writable=False):
//	    """The array as a memoryview of its shape; a store to it raises TypeError unless writable."""
//	    ref = parse(ref)
//	    if 0 in ref["shape"]:
//	        return over(b"", ref)  # no elements, no segment
//	    if "/" in ref["segment"]:
//	        raise ValueError(f"not a segment's name: {ref}")
//	    fd = os.open("/dev/shm/" + ref["segment"], os.O_NOFOLLOW | (os.O_RDWR if writable else os.O_RDONLY))
//	    try:
//	        memory = mmap.mmap(fd, 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
//	    finally:
//	        os.close(fd)
//	    return over(memory, ref)  # unmapped when the last slice of it is gone
//
//
//	def over(buffer, ref):
//	    """The array as a memoryview over its segment, mapped in another way (SharedMemory.buf)."""
//	    ref = parse(ref)
//	    shape = list(ref["shape"]) + [2] * ref["dtype"].startswith("complex")
//	    code = FORMATS[ref["dtype"]]
//	    size, start = math.prod(shape) * struct.calcsize(code), ref["offset"]
//	    if size == 0:
//	        return memoryview(b"").cast(code)
//	    if start < 0 or start + size > len(buffer):
//	        raise ValueError(f"{size} bytes at {start}, in a segment of {len(buffer)}: {ref}")
//	    return memoryview(buffer)[start:start + size].cast(code, shape)
//
//
//	def ndarray(ref, writable=False):
//	    """The array as a NumPy array."""
//	    import numpy
//	    ref = parse(ref)
//	    return numpy.ndarray(ref["shape"], ref["dtype"], view(ref, writable))
//
//
//	def ref_to(segment, dtype, shape, offset=0):
//	    """The Ref, as JSON, of an array in a segment made here, for a Go program.
//
//	    The segment is a name or a SharedMemory, the dtype NumPy's or its name.
//	    """
//	    segment = getattr(segment, "name", segment)
//	    dtype = getattr(dtype, "str", dtype)
//	    return json.dumps({"segment": segment, "offset": offset, "dtype": dtype, "shape": list(shape)})
//
//
//	def parse(ref):
//	    return json.loads(ref) if isinstance(ref, (str, bytes)) else ref
//
// The memory is read-only there: a store raises TypeError. The name is left
// alone, and what was mapped stays readable when the Go program closes its run
// or dies. What [shm.GC] and the Go program's own maps do not mind either is a
// name that Python removed: multiprocessing.shared_memory is another way in,
//
//	s = SharedMemory(name=ref["segment"], track=False)
//	x = handoff_ref.over(s.buf, ref)  # s must live as long as x
//
// but always writable, and before Python 3.13, which does not know track, its
// resource tracker removes the name when the Python process ends, unless it is
// told to forget it:
//
//	s = SharedMemory(name=ref["segment"])
//	resource_tracker.unregister(s._name, "shared_memory")
func Example_toPython() {
	run, err := shm.NewRun()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer run.Close()
	x, err := shm.PutCopy(run.NewArena(nil), []float64{1, 2, 3, 4}, 2, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer x.Release() // not before Python is done with it

	ref, err := json.Marshal(x.Ref())
	if err != nil {
		fmt.Println(err)
		return
	}
	python := exec.Command("python3", "-B", "testdata/python/sum.py") // -B: write no byte code
	python.Stdin = bytes.NewReader(ref)
	out, err := python.CombinedOutput()
	fmt.Print(string(out))
	if err != nil {
		fmt.Println(err)
	}
	// Prints:
	// (2, 2) read-only
	// 10.0
}

// A Go program uses an array that a Python program made, by the Ref in JSON that
// it prints. Any segment in /dev/shm will do that is of this user and that
// nobody else can open; how Python calls its dtype ("<f8") is understood. The
// script is testdata/python/make.py, beside the handoff_ref.py of the other example:
//
//	"""Makes an array, prints its Ref and keeps it until standard input ends."""
//	import array
//	import sys
//	from multiprocessing import shared_memory
//
//	import handoff_ref
//
//	s = shared_memory.SharedMemory(create=True, size=4 * 8)
//	s.buf.cast("d")[:] = array.array("d", [1, 2, 3, 4])
//	print(handoff_ref.ref_to(s, "float64", [2, 2]), flush=True)
//	sys.stdin.read()
//	s.close()
//	s.unlink()
func Example_fromPython() {
	python := exec.Command("python3", "-B", "testdata/python/make.py")
	in, _ := python.StdinPipe()
	out, _ := python.StdoutPipe()
	if err := python.Start(); err != nil {
		fmt.Println(err)
		return
	}
	defer python.Wait()
	defer in.Close() // ends it
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		fmt.Println(err)
		return
	}
	var ref shm.Ref
	if err := json.Unmarshal(line, &ref); err != nil {
		fmt.Println(err)
		return
	}
	seg, err := shm.Attach(ref.Segment, ref.Offset+ref.Bytes(), shm.ReadOnly)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer seg.Close()
	x, err := shm.Bind[float64](seg, ref)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer x.Release()
	fmt.Println(x.Shape(), x.Data())
	// Prints:
	// [2 2] [1 2 3 4]
}

// The examples run where there is a python3, and show the scripts as they are.
func TestPythonExamples(t *testing.T) {
	if exec.Command("python3", "-c", "import multiprocessing.shared_memory").Run() != nil {
		t.Skip("no python3 of version 3.8 or later is installed")
	}
	require.Equal(t, "(2, 2) read-only\n10.0\n", printed(t, Example_toPython))
	require.Equal(t, "[2 2] [1 2 3 4]\n", printed(t, Example_fromPython))
	source, err := os.ReadFile("example_python_linux_test.go")
	require.NoError(t, err)
	for _, name := range []string{"handoff_ref.py", "sum.py", "make.py"} {
		script, err := os.ReadFile("testdata/python/" + name)
		require.NoError(t, err)
		comment := "//\t" + strings.ReplaceAll(strings.TrimSpace(string(script)), "\n", "\n//\t")
		require.Contains(t, string(source), strings.ReplaceAll(comment, "//\t\n", "//\n"), name)
	}
}

func printed(t *testing.T, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	require.NoError(t, err)
	old := os.Stdout
	os.Stdout = w
	defer func() { os.Stdout = old }()
	f()
	require.NoError(t, w.Close())
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(b)
}

"""Arrays of handoff where they lie: no copy, standard library only, NumPy optional.

A Ref, as JSON, names an array: {"segment", "offset", "dtype", "shape"}.
"""
import json
import math
import mmap
import os
import struct

# What memoryview calls them. It has no complex numbers: they are pairs of floats.
FORMATS = {"bool": "?", "int8": "b", "int16": "h", "int32": "i", "int64": "q",
           "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
           "float32": "f", "float64": "d", "complex64": "f", "complex128": "d"}


def view(ref, writable=False):
    """The array as a memoryview of its shape; a store to it raises TypeError unless writable."""
    ref = parse(ref)
    if 0 in ref["shape"]:
        return over(b"", ref)  # no elements, no segment
    if "/" in ref["segment"]:
        raise ValueError(f"not a segment's name: {ref}")
    fd = os.open("/dev/shm/" + ref["segment"], os.O_NOFOLLOW | (os.O_RDWR if writable else os.O_RDONLY))
    try:
        memory = mmap.mmap(fd, 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
    finally:
        os.close(fd)
    return over(memory, ref)  # unmapped when the last slice of it is gone


def over(buffer, ref):
    """The array as a memoryview over its segment, mapped in another way (SharedMemory.buf)."""
    ref = parse(ref)
    shape = list(ref["shape"]) + [2] * ref["dtype"].startswith("complex")
    code = FORMATS[ref["dtype"]]
    size, start = math.prod(shape) * struct.calcsize(code), ref["offset"]
    if size == 0:
        return memoryview(b"").cast(code)
    if start < 0 or start + size > len(buffer):
        raise ValueError(f"{size} bytes at {start}, in a segment of {len(buffer)}: {ref}")
    return memoryview(buffer)[start:start + size].cast(code, shape)


def ndarray(ref, writable=False):
    """The array as a NumPy array."""
    import numpy
    ref = parse(ref)
    return numpy.ndarray(ref["shape"], ref["dtype"], view(ref, writable))


def ref_to(segment, dtype, shape, offset=0):
    """The Ref, as JSON, of an array in a segment made here, for a Go program.

    The segment is a name or a SharedMemory, the dtype NumPy's or its name.
    """
    segment = getattr(segment, "name", segment)
    dtype = getattr(dtype, "str", dtype)
    return json.dumps({"segment": segment, "offset": offset, "dtype": dtype, "shape": list(shape)})


def parse(ref):
    return json.loads(ref) if isinstance(ref, (str, bytes)) else ref

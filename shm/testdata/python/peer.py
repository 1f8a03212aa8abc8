"""What the tests make Python do: a request in JSON per line, an answer in JSON per line."""
import json
import mmap
import os
import sys
from multiprocessing import resource_tracker, shared_memory

import handoff_ref

held = []  # what keeps mappings alive


def shared(name, track):
    try:
        return shared_memory.SharedMemory(name=name, track=track)
    except TypeError:  # before 3.13 it always tracks
        s = shared_memory.SharedMemory(name=name)
        if not track:
            resource_tracker.unregister(s._name, "shared_memory")
        return s


def attach(how, ref, writable):
    if how == "mmap":
        return handoff_ref.view(json.dumps(ref), writable)
    if how in ("SharedMemory", "SharedMemory tracked"):
        s = shared(ref["segment"], "tracked" in how)
        held.append(s)
        return handoff_ref.over(s.buf, ref)
    if how == "ndarray":
        return handoff_ref.ndarray(ref, writable)
    import numpy
    if how == "frombuffer":
        with open("/dev/shm/" + ref["segment"], "r+b" if writable else "rb") as f:
            m = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_WRITE if writable else mmap.ACCESS_READ)
        count = int(numpy.prod(ref["shape"]))
        return numpy.frombuffer(m, ref["dtype"], count, ref["offset"]).reshape(ref["shape"])
    if how == "ndarray over SharedMemory":
        s = shared(ref["segment"], False)
        held.append(s)
        return numpy.ndarray(ref["shape"], ref["dtype"], s.buf, ref["offset"])
    raise ValueError(how)


def flat(x):
    if isinstance(x, memoryview):
        return x.cast("B").cast(x.format) if x.nbytes else x
    return x.reshape(-1)


def texts(x, dtype):
    values = flat(x).tolist()
    if dtype.startswith("complex"):
        if isinstance(x, memoryview):
            values = [complex(*p) for p in zip(values[::2], values[1::2])]
        return [f"({v.real!r}{v.imag:+}i)" for v in values]
    return [str(v) for v in values]


def read(how, ref):
    """The elements, and what a store says."""
    x = attach(how, ref, False)
    answer = {"values": texts(x, ref["dtype"]), "shape": list(x.shape)}
    if how in ("mmap", "ndarray", "frombuffer") and len(answer["values"]):
        try:
            flat(x)[0] = flat(x)[-1]
        except (TypeError, ValueError) as e:
            answer["store"] = type(e).__name__
    return answer


def write(how, ref):
    """Stores the last element in the place of the first."""
    x = attach(how, ref, True)
    k = 2 if isinstance(x, memoryview) and ref["dtype"].startswith("complex") else 1
    flat(x)[:k] = flat(x)[-k:]
    return {}


def hold(how, ref):
    held.append(attach(how, ref, False))
    return {}


def values(how, ref):
    """The elements of what is held."""
    return {"values": texts(held[-1], ref["dtype"])}


def make(how, ref):
    """Makes a segment of the size, sized and not reserved, and puts nothing in it."""
    size = ref["offset"]
    if how.startswith("SharedMemory"):
        s = shared_memory.SharedMemory(create=True, size=size)
        if "tracked" not in how:
            resource_tracker.unregister(s._name, "shared_memory")
        held.append(s)
        held.append(s.buf)
        return {"segment": s.name}
    name = f"python-{os.getpid()}-{len(held)}"
    fd = os.open("/dev/shm/" + name, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    os.ftruncate(fd, size)
    held.append(memoryview(mmap.mmap(fd, size)))
    os.close(fd)
    return {"segment": name}


def fill(how, ref):
    """Stores 0, 1, 2… in what was made last and says how Python calls it."""
    x = held[-1].cast("B").cast(handoff_ref.FORMATS[ref["dtype"]])
    for i in range(len(x)):
        x[i] = i
    if how == "ndarray":
        import numpy
        a = numpy.frombuffer(held[-1], ref["dtype"]).reshape(ref["shape"])
        return {"ref": handoff_ref.ref_to(ref["segment"], a.dtype, a.shape)}
    return {"ref": handoff_ref.ref_to(ref["segment"], ref["dtype"], ref["shape"])}


for line in sys.stdin:
    request = json.loads(line)
    try:
        answer = globals()[request["do"]](request["how"], request["ref"])
    except Exception as e:
        answer = {"error": f"{type(e).__name__}: {e}"}
    print(json.dumps(answer), flush=True)

"""Makes an array, prints its Ref and keeps it until standard input ends."""
import array
import sys
from multiprocessing import shared_memory

import handoff_ref

s = shared_memory.SharedMemory(create=True, size=4 * 8)
s.buf.cast("d")[:] = array.array("d", [1, 2, 3, 4])
print(handoff_ref.ref_to(s, "float64", [2, 2]), flush=True)
sys.stdin.read()
s.close()
s.unlink()

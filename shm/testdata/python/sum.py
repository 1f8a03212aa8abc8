"""Adds up the array whose Ref is on standard input."""
import sys

import handoff_ref

x = handoff_ref.view(sys.stdin.read())
print(x.shape, "read-only" if x.readonly else "writable")
print(sum(x.cast("B").cast(x.format)))  # all elements, whatever the shape

"""Write to stdout by every road there is: Python's stream, the descriptor, the C library."""

from __future__ import annotations

import ctypes
import os

from faults.plugin import faulty

__all__ = ["mill"]


def _talk(_source: str) -> None:
    print("a word from Python", flush=True)  # noqa: T201 - the fault
    os.write(1, b"a word from the descriptor\n")
    libc = ctypes.CDLL(None)
    libc.puts(b"a word from C")
    libc.fflush(None)


mill = faulty(_talk)

"""Hang for ever in C, holding the interpreter's lock, at names with `hang`."""

from __future__ import annotations

import ctypes

from faults.plugin import faulty, is_named

__all__ = ["mill"]


def _hang(source: str) -> None:
    if is_named(source, "hang"):
        while True:
            ctypes.PyDLL(None).pause()


mill = faulty(_hang)

"""System calls by number, for the architectures whose numbers are known here."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from typing import Final

__all__ = ["MACHINES", "called", "machine", "prctl"]

MACHINES: Final = ("x86_64", "aarch64")
_POINTER_BYTES: Final = 8
_LIBC: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def machine() -> str:
    """Return the architecture whose system calls this process makes, or nothing if unknown."""
    name = os.uname().machine if sys.platform == "linux" else ""
    return name if name in MACHINES and struct.calcsize("P") == _POINTER_BYTES else ""


def called(number: int, *arguments: object) -> int:
    """Make a system call.

    Raises:
        OSError: The kernel refuses it, or this is not Linux.
    """
    if _LIBC is None:
        raise OSError("expected Linux")
    values = (ctypes.c_long(each) if isinstance(each, int) else each for each in arguments)
    return _checked(_LIBC.syscall(ctypes.c_long(number), *values))


def prctl(option: int, value: int) -> int:
    """Change this process's own ways.

    Raises:
        OSError: The kernel refuses it, or this is not Linux.
    """
    if _LIBC is None:
        raise OSError("expected Linux")
    rest = [ctypes.c_ulong(0)] * 3
    return _checked(_LIBC.prctl(option, ctypes.c_ulong(value), *rest))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result

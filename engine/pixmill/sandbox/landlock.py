"""Landlock: which files this process can open, and that it can reach nobody.

Source: `include/uapi/linux/landlock.h` of Linux 6.18 and Documentation/userspace-api/landlock.rst.
Rights that a kernel does not know yet are left out of what is handled, as that text advises.
"""

from __future__ import annotations

import ctypes
import os
import stat
from typing import TYPE_CHECKING, Final

from pixmill.sandbox.kernel import called, machine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixmill.sandbox.grants import Grants

__all__ = ["landlock_abi", "restrict_files"]

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_GET_VERSION: Final = 1
_PATH_BENEATH: Final = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = (1 << bit for bit in range(4))
_REMOVE_FILE, _MAKE_DIR, _MAKE_REG = 1 << 5, 1 << 7, 1 << 8
_REFER, _TRUNCATE, _IOCTL_DEV = 1 << 13, 1 << 14, 1 << 15
_FIRST_RIGHTS: Final = (1 << 13) - 1
_RIGHT_SINCE: Final = {_REFER: 2, _TRUNCATE: 3, _IOCTL_DEV: 5}
_TCP, _TCP_SINCE = 0b11, 4  # bind, connect
_SCOPED, _SCOPED_SINCE = 0b11, 6  # abstract sockets, signals

_READ: Final = _READ_FILE | _READ_DIR
_WRITE: Final = _READ | _WRITE_FILE | _REMOVE_FILE | _MAKE_DIR | _MAKE_REG | _REFER | _TRUNCATE
_OF_A_FILE: Final = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


class _Ruleset(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64),
        ("network", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def landlock_abi() -> int:
    """Return the version of Landlock that this kernel has in force, or 0."""
    if not machine():
        return 0
    try:
        return called(_CREATE_RULESET, None, 0, _GET_VERSION)
    except OSError:
        return 0


def restrict_files(grants: Grants, abi: int) -> None:
    """Give up every file that is not granted, programs, TCP, and signals to others.

    Only for the calling thread and what it starts: to be called before there is a second one.

    Raises:
        OSError: The kernel refuses.
    """
    handled = _FIRST_RIGHTS
    for right, since in _RIGHT_SINCE.items():
        handled |= right if abi >= since else 0
    ruleset = _Ruleset(
        handled,
        _TCP if abi >= _TCP_SINCE else 0,
        _SCOPED if abi >= _SCOPED_SINCE else 0,
    )
    size_bytes = 8 * (1 + (abi >= _TCP_SINCE) + (abi >= _SCOPED_SINCE))
    descriptor = called(_CREATE_RULESET, ctypes.byref(ruleset), size_bytes, 0)
    try:
        _allow(descriptor, grants.reads, _READ & handled)
        _allow(descriptor, grants.writes, _WRITE & handled)
        called(_RESTRICT_SELF, descriptor, 0)
    finally:
        os.close(descriptor)


def _allow(ruleset: int, paths: Iterable[str], rights: int) -> None:
    for path in paths:
        try:
            parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # not there, so nothing to allow
            continue
        try:
            is_folder = stat.S_ISDIR(os.fstat(parent).st_mode)
            rule = _PathBeneath(rights if is_folder else rights & _OF_A_FILE, parent)
            called(_ADD_RULE, ruleset, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(parent)

"""Folders whose names outlast a power cut.

A file that was flushed can still be lost with the name of the folder that it is in. Must not know
what the folders are for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys

__all__ = ["flushed", "made"]

_NOT_OFFERED = frozenset({errno.EINVAL, errno.ENOTSUP})


def flushed(folder: str, *, within: int | None = None) -> None:
    """Bring the names in a folder to the disc.

    Where the system or the file system (SMB) has no such thing, names are as safe as they get.

    Args:
        folder: Its path.
        within: Descriptor of a folder that the path is relative to. Default: where we are.

    Raises:
        OSError: The disc does not take them.
    """
    if sys.platform == "win32":  # folders cannot be opened there
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY, dir_fd=within)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NOT_OFFERED:
            raise
    finally:
        os.close(descriptor)


def made(folder: str) -> None:
    """Make a folder and what is missing above it, and bring their names to the disc.

    Raises:
        OSError: It cannot be made.
    """
    missing: list[str] = []
    above = os.path.abspath(folder)
    while not os.path.isdir(above):
        missing.append(above)
        above = os.path.dirname(above)
    os.makedirs(folder, exist_ok=True)
    for each in missing:
        with contextlib.suppress(PermissionError):  # one may write into what one may not read
            flushed(os.path.dirname(each))

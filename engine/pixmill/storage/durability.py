"""Bringing results to the disc before the journal says that they are there."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

from pixmill.settings import Durability
from pixmill.storage.folders import reachable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["syncer"]


def syncer(root: str, durability: Durability) -> Callable[[set[str]], None]:
    """Return what makes a batch durable: called with the folders, relative to the root, it is in.

    `full` has flushed every file already and flushes their folders; `batch` flushes the file
    system once for the whole batch; `none` leaves it to the system.
    """

    def folders(relative: set[str]) -> None:
        for folder in relative:
            _flushed(os.path.join(root, folder))

    def file_system(relative: set[str]) -> None:
        del relative
        _synced(root)

    match durability:
        case Durability.FULL:
            return folders
        case Durability.BATCH:
            return file_system
        case Durability.NONE:
            return lambda _folders: None


def _flushed(folder: str) -> None:
    if sys.platform == "win32":  # folders cannot be opened there
        return
    with reachable(os.path.join(folder, ".")) as short:
        descriptor = os.open(short, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _synced(root: str) -> None:
    """Flush the file system that holds a folder: `syncfs` on Linux, else all of them."""
    if sys.platform != "linux":
        os.sync()
        return
    descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), root)
    finally:
        os.close(descriptor)

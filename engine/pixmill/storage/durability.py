"""Bringing results to the disc before the journal says that they are there."""

from __future__ import annotations

import contextlib
import ctypes
import os
import posixpath
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pixmill.lasting import flushed
from pixmill.settings import Durability
from pixmill.storage.folders import reachable

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["syncer"]

_KNOWN_FOLDERS: Final = 4096


def syncer(root: str, durability: Durability) -> Callable[[set[str]], None]:
    """Return what makes a batch durable: called with the folders, relative to the root, it is in.

    `full` has flushed every file already and flushes their folders; `batch` flushes the file
    system once for the whole batch; `none` leaves it to the system. To be called before anything
    is published.
    """
    match durability:
        case Durability.FULL:
            return _Folders(root)
        case Durability.BATCH:
            return _FileSystem.of(root) if sys.platform == "linux" else lambda _folders: os.sync()
        case Durability.NONE:
            return lambda _folders: None


@dataclass(slots=True)
class _Folders:
    """Flushes folders, and those above that hold the name of one not seen before.

    Attributes:
        known: Folders whose own names have reached the disc; not all, to stay small.
    """

    root: str
    known: set[str] = field(default_factory=set)

    def __call__(self, relative: set[str]) -> None:
        if len(self.known) > _KNOWN_FOLDERS:
            self.known.clear()
        for folder in relative | self._above(relative):
            # what somebody has removed meanwhile is missed by the next run, and made again; what
            # may be written and not read cannot be flushed
            with (
                contextlib.suppress(FileNotFoundError, NotADirectoryError, PermissionError),
                reachable(os.path.join(self.root, folder, ".")) as short,
            ):
                flushed(short)

    def _above(self, relative: set[str]) -> set[str]:
        above = set()
        for folder in relative:
            while folder and folder not in self.known:
                self.known.add(folder)
                folder = posixpath.dirname(folder)  # noqa: PLW2901 - up to the root
                above.add(folder)
        return above


@dataclass(slots=True)
class _FileSystem:
    """Flushes a whole file system, on Linux.

    Attributes:
        descriptor: A folder on it, open since before the first result: the kernel tells of a
            write that was lost in the meantime only where a descriptor was open.
    """

    descriptor: int

    @classmethod
    def of(cls, folder: str) -> _FileSystem:
        return cls(os.open(folder, os.O_RDONLY | os.O_DIRECTORY))

    def __call__(self, _relative: set[str]) -> None:
        _synced(self.descriptor)

    def __del__(self) -> None:
        os.close(self.descriptor)


def _synced(descriptor: int) -> None:
    if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))

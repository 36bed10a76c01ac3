"""The folder for workers' temporary files, removed with all that killed workers left in it.

A run that was killed itself leaves its folder; the next one's finds it unlocked and removes it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where what a killed run left stays
    fcntl = None  # type: ignore[assignment]

__all__ = ["Scratch", "outlive"]

_PREFIX = "pixmill-scratch-"


@dataclass(frozen=True, slots=True)
class Scratch:
    """A folder that is locked while a process that shares it lives.

    Args:
        path: The folder, or empty where none can be made.
        descriptor: Holds the lock, or -1.
    """

    path: str
    descriptor: int = -1

    @classmethod
    def made(cls) -> Scratch:
        """Make one where temporary files belong, after removing those that nobody holds."""
        _sweep()
        with contextlib.suppress(OSError):
            while True:
                folder = tempfile.mkdtemp(prefix=_PREFIX)
                if fcntl is None:
                    return cls(folder)
                try:
                    descriptor = os.open(folder, os.O_RDONLY)
                except FileNotFoundError:  # another run's sweep was quicker
                    continue
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                if os.fstat(descriptor).st_nlink:  # a sweep may have come in between
                    return cls(folder, descriptor)
                os.close(descriptor)
        return cls("")

    def adopt(self) -> None:
        """Have this process, and what it starts, make temporary files here."""
        if self.path:
            tempfile.tempdir = os.environ["TMPDIR"] = self.path

    def drop(self, pid: int) -> None:
        """Remove what a process that has ended left behind."""
        if self.path:
            _removed(Path(self.path, str(pid)))

    def close(self) -> None:
        """Remove it."""
        if self.path:
            _removed(Path(self.path))
        if self.descriptor >= 0:
            os.close(self.descriptor)


def outlive(folder: str) -> None:
    """Wait until nobody holds a folder that another process has made, and remove it."""
    if fcntl is None:
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        _removed(Path(folder))


def _sweep() -> None:
    """Remove the folders of runs that were killed."""
    if fcntl is None:
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                is_ours = os.fstat(descriptor).st_uid == os.geteuid()
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if is_ours:
                    _removed(folder)
            finally:
                os.close(descriptor)


def _removed(folder: Path) -> None:
    with contextlib.suppress(
        OSError, RecursionError
    ):  # a tree too deep to walk was made on purpose
        shutil.rmtree(folder)

"""Files under a temporary name, on their way to a final one; and what is left of those that died.

Must not know what is written nor where it ends up.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.storage.folders import HAS_PROC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.storage.folders import Folder, Root

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows, where a temporary name is not swept while fresh
    fcntl = None  # type: ignore[assignment]

__all__ = ["Draft", "Swept", "beacon", "draft", "is_beacon_lit", "sweep_below", "write_all"]

_PREFIX = ".pixmill-"
_SUFFIX = ".tmp"
_O_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_O_BINARY = getattr(os, "O_BINARY", 0)


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that has no final name yet.

    Attributes:
        folder: Where it is.
        name: Its temporary name.
        descriptor: Open for writing, and locked, so that no sweep takes it for abandoned.
    """

    folder: Folder
    name: str
    descriptor: int

    @property
    def readable(self) -> str:
        """A path by which it can be opened for reading."""
        if HAS_PROC:
            return f"/proc/self/fd/{self.descriptor}"
        return os.path.join(self.folder.path, self.name)

    def set_times(self, atime_ns: int, mtime_ns: int) -> None:
        """Set when it was read and written, in nanoseconds since the epoch."""
        if os.utime in os.supports_fd:
            os.utime(self.descriptor, ns=(atime_ns, mtime_ns))
        else:
            self.folder.utime(self.name, mtime_ns)


@dataclass(frozen=True, slots=True)
class Swept:
    """What became of the drafts in a folder.

    Attributes:
        removed: How many were abandoned.
        spared: How many were not, or could not be removed.
    """

    removed: int = 0
    spared: int = 0


@contextlib.contextmanager
def draft(folder: Folder) -> Iterator[Draft]:
    """Yield a new file in a folder, to be renamed inside the block; what raises there removes it.

    Raises:
        OSError: The folder cannot be written.
    """
    name, descriptor = _made(folder)
    try:
        try:
            yield Draft(folder, name, descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        with contextlib.suppress(OSError):
            folder.unlink(name)
        raise


@contextlib.contextmanager
def beacon(root: Root) -> Iterator[str]:
    """Yield the path of a draft that never gets a name, held and then removed.

    Who sees it, and that it is held, has this folder and its locks.

    Raises:
        OSError: The folder cannot be written.
    """
    with root.folder("", can_make=True) as folder:
        name, descriptor = _made(folder)
    try:
        yield os.path.join(root.path, name)
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError), root.folder("", can_make=False) as folder:
            folder.unlink(name)


def is_beacon_lit(path: str) -> bool:
    """Return whether somebody holds a beacon; where a file system has no locks, whether it is."""
    try:
        descriptor = os.open(path, os.O_WRONLY | _O_NONBLOCK)
    except OSError:
        return False
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    else:
        return fcntl is None
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes | memoryview) -> int:
    """Write every byte to a descriptor; return how many there were."""
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    return len(content)


def sweep_below(root: Root, relative: str) -> Swept:
    """Remove the drafts in a folder that no living process holds.

    A folder that is not there, or cannot be read, has none.
    """
    with contextlib.suppress(OSError), root.folder(relative, can_make=False) as folder:
        fates = [_is_swept(folder, name) for name in folder.names() if _is_draft(name)]
        return Swept(removed=sum(fates), spared=len(fates) - sum(fates))
    return Swept()


def _made(folder: Folder) -> tuple[str, int]:
    while True:
        name = f"{_PREFIX}{os.urandom(8).hex()}{_SUFFIX}"
        descriptor = folder.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _O_BINARY)
        if fcntl is None:
            return name, descriptor
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # a sweep of another run was quicker: it removes this name
            os.close(descriptor)
        except OSError:  # no locks on this file system: sweeps there find every file abandoned
            return name, descriptor
        else:
            if os.fstat(descriptor).st_nlink:
                return name, descriptor
            os.close(descriptor)  # a sweep removed it before it was locked


def _is_draft(name: str) -> bool:
    return name.startswith(_PREFIX) and name.endswith(_SUFFIX)


def _is_swept(folder: Folder, name: str) -> bool:
    """Remove a file unless a process holds the lock of `_made`, which dies with its process.

    It is removed under that lock, so that its owner cannot take the lock in between.
    """
    if fcntl is None:
        return False
    try:
        descriptor = folder.open(name, os.O_WRONLY | _O_NONBLOCK)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        folder.unlink(name)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)

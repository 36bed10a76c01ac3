"""Record what is done to the disc: every deed of the storage door, every commit of the journal.

One log for all processes of a run, in the order in which things were done: each deed is appended
when it is over. A worker records from when its mill is loaded; this process, inside `recorded`.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sqlite3
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from faults.disc import replaced
from pixmill import milling
from pixmill.storage import durability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = [
    "LOG",
    "Committed",
    "Deed",
    "Flushed",
    "FlushedAll",
    "FlushedFolder",
    "Made",
    "Named",
    "Removed",
    "Timed",
    "Wrote",
    "deeds",
    "mill",
    "recorded",
]

LOG: Final = "PIXMILL_FAULT_RECORD"
"""Environment variable with the log; what is done outside of its folder is not recorded."""


@dataclass(frozen=True, slots=True)
class Made:
    """A file, or a folder, came to be under a new name."""

    folder: str
    name: str
    inode: int
    is_folder: bool


@dataclass(frozen=True, slots=True)
class Named:
    """A file got a name, by link or rename; `old` is the name that it lost, if any."""

    folder: str
    name: str
    inode: int
    old: str = ""


@dataclass(frozen=True, slots=True)
class Removed:
    """A name went."""

    folder: str
    name: str


@dataclass(frozen=True, slots=True)
class Wrote:
    """Bytes were written into a file."""

    inode: int
    offset: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Timed:
    """A file got a modification time."""

    inode: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Flushed:
    """A file reached the disc."""

    inode: int


@dataclass(frozen=True, slots=True)
class FlushedFolder:
    """The names in a folder reached the disc."""

    folder: str


@dataclass(frozen=True, slots=True)
class FlushedAll:
    """The whole file system reached the disc."""


@dataclass(frozen=True, slots=True)
class Committed:
    """The journal reached the disc, and holds this."""

    content: bytes


Deed = Made | Named | Removed | Wrote | Timed | Flushed | FlushedFolder | FlushedAll | Committed

_write: Final = os.write
_stat: Final = os.stat


@dataclass(frozen=True, slots=True)
class _Recorder:
    """Does what it is asked to, and then notes it."""

    log: int
    base: str

    def note(self, deed: Deed, place: str) -> None:
        if place.startswith(self.base + "/"):
            content = pickle.dumps(deed)
            _write(self.log, len(content).to_bytes(8, "big") + content)

    def place(self, name: Any, descriptor: int | None) -> tuple[str, str]:
        """Return the folder and the name that a call means."""
        folder, _, last = os.fspath(name).rpartition("/")
        if descriptor is not None:
            folder = _place_of(descriptor)
        return folder, last

    def open(self, path: Any, flags: int, *rest: Any, **named: Any) -> int:
        before = self._inode(path, named.get("dir_fd")) if flags & os.O_CREAT else 0
        descriptor = os_open(path, flags, *rest, **named)
        if flags & os.O_CREAT and not before:
            folder, name = self.place(path, named.get("dir_fd"))
            inode = os.fstat(descriptor).st_ino
            self.note(Made(folder, name, inode, is_folder=False), f"{folder}/{name}")
        return descriptor

    def mkdir(self, path: Any, *rest: Any, **named: Any) -> None:
        os_mkdir(path, *rest, **named)
        folder, name = self.place(path, named.get("dir_fd"))
        self.note(Made(folder, name, 0, is_folder=True), f"{folder}/{name}")

    def write(self, descriptor: int, content: Any) -> int:
        place = _place_of(descriptor)
        offset = os.lseek(descriptor, 0, os.SEEK_CUR) if place.startswith("/") else 0
        count = _write(descriptor, content)
        inode = os.fstat(descriptor).st_ino
        self.note(Wrote(inode, offset, bytes(content[:count])), place)
        return count

    def fsync(self, descriptor: int) -> None:
        os_fsync(descriptor)
        place = _place_of(descriptor)
        status = os.fstat(descriptor)
        is_folder = stat.S_ISDIR(status.st_mode)
        self.note(FlushedFolder(place) if is_folder else Flushed(status.st_ino), f"{place}/")

    def utime(self, path: Any, *rest: Any, **named: Any) -> None:
        os_utime(path, *rest, **named)
        place = _place_of(path)
        self.note(Timed(os.fstat(path).st_ino, named["ns"][1]), place)

    def link(self, existing: Any, name: Any, **named: Any) -> None:
        os_link(existing, name, **named)
        folder, last = self.place(name, named.get("dst_dir_fd"))
        inode = self._inode(name, named.get("dst_dir_fd"))
        self.note(Named(folder, last, inode), f"{folder}/{last}")

    def replace(self, old: Any, name: Any, **named: Any) -> None:
        os_replace(old, name, **named)
        folder, last = self.place(name, named.get("dst_dir_fd"))
        inode = self._inode(name, named.get("dst_dir_fd"))
        _, lost = self.place(old, named.get("src_dir_fd"))
        self.note(Named(folder, last, inode, lost), f"{folder}/{last}")

    def unlink(self, name: Any, **named: Any) -> None:
        os_unlink(name, **named)
        folder, last = self.place(name, named.get("dir_fd"))
        self.note(Removed(folder, last), f"{folder}/{last}")

    def _inode(self, name: Any, descriptor: int | None) -> int:
        try:
            return _stat(name, dir_fd=descriptor, follow_symlinks=False).st_ino
        except FileNotFoundError:
            return 0

    def synced(self, real: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            real(*arguments)
            self.note(FlushedAll(), f"{self.base}/")

        return call

    def connected(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return what opens a database whose every commit is noted."""
        recorder = self

        class Connection(sqlite3.Connection):
            def execute(self, *arguments: Any) -> sqlite3.Cursor:
                changes = self.total_changes
                cursor = super().execute(*arguments)
                if arguments[0] == "COMMIT" or (
                    not self.in_transaction and self.total_changes > changes
                ):
                    recorder.note(Committed(self.serialize()), f"{recorder.base}/")
                return cursor

        return lambda *arguments, **named: real(*arguments, **named, factory=Connection)


def _place_of(descriptor: int) -> str:
    return str(Path(f"/proc/self/fd/{descriptor}").readlink())


os_open, os_mkdir, os_fsync, os_utime = os.open, os.mkdir, os.fsync, os.utime
os_link, os_replace, os_unlink = os.link, os.replace, os.unlink
_CALLS: Final = ("open", "mkdir", "write", "fsync", "utime", "link", "replace", "unlink")


@contextlib.contextmanager
def recorded(log: str) -> Iterator[None]:
    """Record what this process does; nothing where no log is named."""
    if not log:
        yield
        return
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    recorder = _Recorder(descriptor, str(Path(log).parent))
    with contextlib.ExitStack() as stack:
        for call in _CALLS:
            stack.enter_context(replaced(os, call, getattr(recorder, call)))
        synced = recorder.synced(durability._synced)
        stack.enter_context(replaced(durability, "_synced", synced))
        stack.enter_context(replaced(sqlite3, "connect", recorder.connected(sqlite3.connect)))
        try:
            yield
        finally:
            os.close(descriptor)


def deeds(log: Path) -> list[Deed]:
    """Return what was recorded, in order."""
    content, found = log.read_bytes(), []
    while content:
        end = 8 + int.from_bytes(content[:8], "big")
        found.append(pickle.loads(content[8:end]))  # noqa: S301 - our own
        content = content[end:]
    return found


_for_ever = recorded(os.environ.get(LOG, ""))  # held, or it would be over at once
_for_ever.__enter__()
mill = milling.mill

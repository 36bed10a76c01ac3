"""Folders of this machine: what is listed and read, and how a result is published.

The only module that writes a destination. It never opens a source for writing, never leaves the
destination root, and never shows a half-written file under its final name.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill import lasting
from pixmill.errors import RunError
from pixmill.storage.drafts import draft, sweep_below, write_all
from pixmill.storage.folders import Folder, Root, lstat, reachable
from pixmill.storage.originals import carry_attributes, digest_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixmill.model import Published, SourceRef
    from pixmill.storage.originals import Keeper, Original

__all__ = [
    "HEAD_BYTES",
    "Destination",
    "Head",
    "UnreadError",
    "change_of",
    "copy_into",
    "read_head",
    "write_all",
]

HEAD_BYTES = 4096
_O_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_O_NONBLOCK = getattr(os, "O_NONBLOCK", 0)
_O_BINARY = getattr(os, "O_BINARY", 0)
_COPY_BYTES = 1024 * 1024
_TIME_GRAIN_NS = 2_000_000_000  # FAT keeps times to two seconds


class UnreadError(OSError):
    """Say that a source failed while it was copied, not the destination it is copied to."""


@dataclass(frozen=True, slots=True)
class Head:
    """The beginning of a source, with its identity.

    Attributes:
        content: First bytes, up to 4096.
        size_bytes: Size of the file.
        mtime_ns: Modification time, nanoseconds since the epoch.
        is_regular: Whether it is a regular file; nothing else is ever read.
        inode: Its inode, 0 if unknown.
        tag: ETag of the object that it is; empty for a file.
    """

    content: bytes
    size_bytes: int
    mtime_ns: int
    is_regular: bool
    inode: int = 0
    tag: str = ""


def read_head(path: str, *, can_follow: bool) -> Head:
    """Read the first bytes of a file without ever opening a FIFO, a socket or a device.

    Args:
        path: The file.
        can_follow: Whether the name may be a symbolic link.

    Raises:
        OSError: It cannot be opened or read.
    """
    flags = os.O_RDONLY | _O_NONBLOCK | _O_BINARY | (0 if can_follow else _O_NOFOLLOW)
    with reachable(path) as short:
        status = os.stat(short, follow_symlinks=can_follow)
        is_special = not (stat.S_ISREG(status.st_mode) or stat.S_ISLNK(status.st_mode))
        if is_special:  # to open a device may itself do something
            return Head(b"", status.st_size, status.st_mtime_ns, is_regular=False)
        descriptor = os.open(short, flags)
    try:
        status = os.fstat(descriptor)
        is_regular = stat.S_ISREG(status.st_mode)
        content = os.read(descriptor, HEAD_BYTES) if is_regular else b""
    finally:
        os.close(descriptor)
    return Head(content, status.st_size, status.st_mtime_ns, is_regular, status.st_ino)


@dataclass(slots=True)
class Destination:
    """A folder that results are published into.

    Args:
        root: Absolute path of the folder; made when the first result is published.
        is_flushed: Whether each file reaches the disc before it has its name. Default: true.
    """

    root: str
    is_flushed: bool = True
    _held: Root = field(init=False)
    _above: str = field(init=False)
    _haunted: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        """Hold the root from when it is first published into."""
        self._held = Root(self.root)
        self._above = os.path.join(self.root, "")

    def prepare(self) -> None:
        """Make the root, to last.

        Raises:
            RunError: It cannot be made, or is no folder.
        """
        try:
            lasting.made(self.root)
        except OSError as error:
            raise RunError(
                f"cannot make the output folder {self.root}: {error.strerror or error}"
            ) from error

    def exists(self, relative: str) -> bool:
        """Return whether anything, a dangling link included, stands at this name."""
        try:
            lstat(self.path(relative))
        except OSError:
            return False
        return True

    def holds(self, relative: str, size_bytes: int, mtime_ns: int) -> bool:
        """Return whether a regular file of this size and time stands at a name."""
        try:
            status = lstat(self.path(relative))
        except OSError:
            return False
        is_same_time = abs(status.st_mtime_ns - mtime_ns) < _TIME_GRAIN_NS
        return stat.S_ISREG(status.st_mode) and status.st_size == size_bytes and is_same_time

    def has(self, published: Published) -> bool:
        """Return whether a result stands as it was published, by its size and time."""
        return self.holds(published.path, published.size_bytes, published.mtime_ns)

    def names(self, folder: str) -> list[str]:
        """Return the bare names in a folder; none where it cannot be read."""
        with contextlib.suppress(OSError), reachable(self.path(folder)) as short:
            return os.listdir(short)
        return []

    def holds_content(self, relative: str, digest: str) -> bool:
        """Return whether a regular file with this SHA-256, hexadecimal, stands at a name."""
        path = self.path(relative)
        try:
            return stat.S_ISREG(lstat(path).st_mode) and digest_at(path) == digest
        except OSError:
            return False

    def path(self, relative: str) -> str:
        """Return the absolute path of a relative name."""
        return self._above + (relative if os.sep == "/" else relative.replace("/", os.sep))

    def publish(
        self,
        relative: str,
        write: Callable[[int], int],
        *,
        mtime_ns: int,
        can_replace: bool,
        check: Callable[[str], None] | None = None,
    ) -> int:
        """Write a file under a temporary name, flush it, and give it its name in one step.

        Args:
            relative: Name relative to the root.
            write: Writes the content to a file descriptor and returns the bytes written.
            mtime_ns: Modification time to set.
            can_replace: Whether a file that stands there may be replaced.
            check: Called with a path by which what was written can be read, before it has its
                name; what it raises keeps it from having one. Default: no check.

        Returns:
            Bytes written.

        Raises:
            FileExistsError: A file stands there and may not be replaced.
            OSError: The destination cannot be written.
        """
        above, _, name = relative.rpartition("/")
        with self._held.folder(above, can_make=True) as folder, draft(folder) as made:
            written_bytes = write(made.descriptor)
            made.set_times(mtime_ns, mtime_ns)
            if self.is_flushed:  # the time too, by which the next run knows the file
                os.fsync(made.descriptor)
            if check is not None:
                check(made.readable)
            _rename(folder, made.name, name, can_replace=can_replace)
        return written_bytes

    def replace(
        self,
        relative: str,
        write: Callable[[int], int],
        *,
        original: Original,
        keeper: Keeper,
        check: Callable[[str], None],
    ) -> int:
        """Put a result in place of its source: once it is flushed and checked, and that is safe.

        The result takes over mode, owner, extended attributes and modification time.

        Args:
            relative: Name of both, relative to the root.
            write: As for `publish`.
            original: What the source was when it was read.
            keeper: Where the source's own bytes stay.
            check: As for `publish`.

        Returns:
            Bytes written.

        Raises:
            ChangedError: The source is not what was read any more.
            OSError: A folder cannot be written.
        """
        above, _, name = relative.rpartition("/")
        with self._held.folder(above, can_make=False) as folder, draft(folder) as made:
            written_bytes = write(made.descriptor)
            with original.opened(folder, name) as descriptor:
                carry_attributes(descriptor, made.descriptor)
            made.set_times(original.mtime_ns, original.mtime_ns)
            os.fsync(made.descriptor)
            check(made.readable)
            with keeper.keeping(folder, name, original):
                original.confirm(folder, name)
                folder.replace(made.name, name)
        return written_bytes

    def withdraw(self, relative: str, size_bytes: int, mtime_ns: int) -> bool:
        """Remove a result of this size and time, and return whether that is what stood there.

        Raises:
            OSError: The destination cannot be written.
        """
        above, _, name = relative.rpartition("/")
        with self._held.folder(above, can_make=False) as folder:
            if not self.holds(relative, size_bytes, mtime_ns):
                return False
            folder.unlink(name)
        return True

    def sweep(self, relative_folder: str) -> int:
        """Remove temporary files that no living process holds; return how many."""
        swept = sweep_below(self._held, relative_folder)
        if swept.spared:
            self._haunted.add(relative_folder)
        return swept.removed

    def sweep_again(self) -> None:
        """Sweep the folders in which somebody held a temporary file, who may have died since."""
        for folder in self._haunted:
            sweep_below(self._held, folder)


def change_of(path: str, source: SourceRef) -> str:
    """Return how a source differs from what it was when it was met; empty where it does not.

    Raises:
        OSError: It is not there any more, or cannot be looked at.
    """
    status = os.stat(path)
    if status.st_size != source.size_bytes:
        return f"it had {source.size_bytes} bytes when it was met and has {status.st_size} now"
    if status.st_mtime_ns != source.mtime_ns:
        return "it was written to after it was met"
    if source.inode not in {0, status.st_ino}:
        return "another file took its name after it was met"
    return ""


def copy_into(source: str) -> Callable[[int], int]:
    """Return a writer that copies a file's bytes, for `Destination.publish`.

    The writer raises `UnreadError` where the source is at fault.
    """

    def write(descriptor: int) -> int:
        return sum(write_all(descriptor, chunk) for chunk in _chunks(source))

    return write


def _chunks(source: str) -> Iterator[bytes]:
    try:
        with reachable(source) as short, open(short, "rb", buffering=0) as stream:
            while chunk := stream.read(_COPY_BYTES):
                yield chunk
    except OSError as error:
        raise UnreadError(error.errno, error.strerror, source) from error


def _rename(folder: Folder, temporary: str, final: str, *, can_replace: bool) -> None:
    if can_replace:
        folder.replace(temporary, final)
        return
    try:
        folder.link(temporary, final)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links: the check is all there is
        if folder.has(final):
            raise FileExistsError(final) from None
        folder.replace(temporary, final)
    else:
        folder.unlink(temporary)

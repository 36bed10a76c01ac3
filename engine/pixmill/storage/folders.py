"""Folders held by descriptor, so that no name is looked up through a link that appeared meanwhile.

Where the system has no such calls (Windows), paths are used, checked part by part.
"""

from __future__ import annotations

import contextlib
import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.lasting import flushed

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HAS_PROC", "Folder", "Root", "lstat", "reachable"]

_IS_HELD = os.open in os.supports_dir_fd and hasattr(os, "O_NOFOLLOW")
_O_FOLDER = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0)
_O_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
HAS_PROC = os.path.isdir("/proc/self/fd")
_LONG_PATH_CHARS = 1000  # below PATH_MAX, 4096 bytes, whatever the characters
_CHUNK_PARTS = 15  # of at most 255 bytes each


@dataclass(slots=True)
class Folder:
    """One folder, by descriptor where the system allows.

    Attributes:
        path: Its path, for messages and for systems without descriptors.
        descriptor: An open descriptor of it, or `None`.
    """

    path: str
    descriptor: int | None

    def open(self, name: str, flags: int, mode: int = 0o666) -> int:
        """Open a file in it and return its descriptor; a link is never followed."""
        with self._named():
            return os.open(self._at(name), flags | _O_NOFOLLOW, mode, dir_fd=self.descriptor)

    def utime(self, name: str, mtime_ns: int) -> None:
        """Set the times of a file in it."""
        os.utime(self._at(name), ns=(mtime_ns, mtime_ns), dir_fd=self.descriptor)

    def unlink(self, name: str) -> None:
        """Remove a file in it."""
        with self._named():
            os.unlink(self._at(name), dir_fd=self.descriptor)

    def remove_folder(self, name: str) -> None:
        """Remove an empty folder in it."""
        with self._named():
            os.rmdir(self._at(name), dir_fd=self.descriptor)

    def replace(self, temporary: str, final: str) -> None:
        """Give a file another name, in place of what has it; a link there is itself replaced."""
        fd = self.descriptor
        with self._named():
            os.replace(self._at(temporary), self._at(final), src_dir_fd=fd, dst_dir_fd=fd)

    def link(self, existing: str, name: str) -> None:
        """Give a file a second name, which must be free."""
        fd = self.descriptor
        with self._named():
            os.link(self._at(existing), self._at(name), src_dir_fd=fd, dst_dir_fd=fd)

    def link_into(self, name: str, other: Folder, kept: str) -> None:
        """Give a file a second name, which must be free, in another folder; follow no link."""
        with self._named():
            os.link(
                self._at(name),
                other._at(kept),
                src_dir_fd=self.descriptor,
                dst_dir_fd=other.descriptor,
                follow_symlinks=False,
            )

    def move_into(self, name: str, other: Folder, final: str) -> None:
        """Move a file into another folder, in place of what has the name there."""
        with self._named():
            os.replace(
                self._at(name),
                other._at(final),
                src_dir_fd=self.descriptor,
                dst_dir_fd=other.descriptor,
            )

    def status(self, name: str) -> os.stat_result:
        """Return the status of what has a name, of a link itself."""
        with self._named():
            return os.stat(self._at(name), dir_fd=self.descriptor, follow_symlinks=False)

    def flush(self) -> None:
        """Bring the names in it to the disc, where the system can."""
        flushed("." if self.descriptor is not None else self.path, within=self.descriptor)

    def names(self) -> list[str]:
        """Return the names of what is in it."""
        if self.descriptor is None:
            return os.listdir(self.path)
        readable = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=self.descriptor)
        try:
            return os.listdir(readable)
        finally:
            os.close(readable)

    def has(self, name: str) -> bool:
        """Return whether anything, a dangling link included, has this name."""
        try:
            os.stat(self._at(name), dir_fd=self.descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def _at(self, name: str) -> str:
        return name if self.descriptor is not None else os.path.join(self.path, name)

    @contextlib.contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors tell whole paths: by descriptor the system knows a name alone."""
        try:
            yield
        except OSError as error:
            if isinstance(error.filename, str) and not os.path.isabs(error.filename):
                error.filename = os.path.join(self.path, error.filename)
            raise


@dataclass(slots=True)
class Root:
    """A folder below which others are opened; itself held from when it was first opened.

    Args:
        path: Absolute path; may lead through links, as the user named it.
    """

    path: str
    _descriptor: int | None = None

    def __del__(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)

    @contextlib.contextmanager
    def folder(self, relative: str, *, can_make: bool) -> Iterator[Folder]:
        """Open a folder below; no part of its name may be a link.

        Args:
            relative: Its name relative to the root, `/`-separated; empty for the root itself.
            can_make: Whether what is missing is made.

        Raises:
            NotADirectoryError: A part is a file or a link.
            OSError: It cannot be made or opened.
        """
        parts = relative.split("/") if relative else []
        if self._descriptor is None and can_make:
            os.makedirs(self.path, exist_ok=True)
        if not _IS_HELD:
            yield Folder(_checked(self.path, parts, can_make=can_make), None)
            return
        if self._descriptor is None:
            self._descriptor = os.open(self.path, _O_FOLDER)
        folder = Folder(self.path, os.dup(self._descriptor))
        try:
            for part in parts:
                _enter(folder, part, can_make=can_make)
            yield folder
        finally:
            os.close(folder.descriptor or 0)


@contextlib.contextmanager
def reachable(path: str) -> Iterator[str]:
    """Yield a path that the system takes: the path itself, or one by its folder's descriptor.

    Raises:
        OSError: A folder of a path that is too long cannot be opened.
    """
    if len(path) < _LONG_PATH_CHARS or not HAS_PROC:
        yield path
        return
    parts = path.split("/")
    folders, name = parts[:-1], parts[-1]
    descriptor = os.open("/", _O_FOLDER)
    try:
        for first in range(0, len(folders), _CHUNK_PARTS):
            part = "/".join(folders[first : first + _CHUNK_PARTS]).lstrip("/") or "."
            inner = os.open(part, _O_FOLDER, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield f"/proc/self/fd/{descriptor}/{name}"
    finally:
        os.close(descriptor)


def lstat(path: str) -> os.stat_result:
    """Return what stands at a path of any length, a link itself and not where it leads.

    Raises:
        OSError: Nothing stands there, or a folder above it is not there.
    """
    if len(path) < _LONG_PATH_CHARS:  # 0.9 us instead of 2.0 through `reachable`
        return os.lstat(path)
    with reachable(path) as short:
        return os.lstat(short)


def _enter(folder: Folder, part: str, *, can_make: bool) -> None:
    """Move a folder's descriptor one down."""
    above = folder.descriptor
    path = os.path.join(folder.path, part)
    try:
        inner = _opened(part, above, can_make=can_make)
    except NotADirectoryError:
        raise NotADirectoryError(f"expected a folder at {path}, found a file or a link") from None
    except OSError as error:
        error.filename = path
        raise
    os.close(above or 0)
    folder.descriptor, folder.path = inner, path


def _opened(part: str, above: int | None, *, can_make: bool) -> int:
    flags = _O_FOLDER | _O_NOFOLLOW
    try:
        return os.open(part, flags, dir_fd=above)
    except FileNotFoundError:
        if not can_make:
            raise
        with contextlib.suppress(FileExistsError):
            os.mkdir(part, dir_fd=above)
        return os.open(part, flags, dir_fd=above)


def _checked(path: str, parts: list[str], *, can_make: bool) -> str:
    """Follow a name by path, as far as the system lets that be checked."""
    for part in parts:
        path = os.path.join(path, part)
        with contextlib.suppress(FileExistsError):
            if can_make:
                os.mkdir(path)
        if not stat.S_ISDIR(os.lstat(path).st_mode):
            raise NotADirectoryError(f"expected a folder at {path}, found a file or a link")
    return path

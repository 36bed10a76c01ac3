"""Originals that are replaced in place: known again, kept, and brought back.

An original keeps at least one name at every moment: it has its second one, on the disc, before the
first is taken from it. Must not decide which are replaced or restored.
"""

from __future__ import annotations

import contextlib
import errno
import os
import posixpath
import stat
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pixmill.errors import RunError
from pixmill.lasting import made
from pixmill.storage.drafts import draft, sweep_below, write_all
from pixmill.storage.folders import Folder, Root, lstat, reachable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from pixmill.model import SourceRef

__all__ = [
    "Backup",
    "Backups",
    "ChangedError",
    "Keeper",
    "NoBackup",
    "Original",
    "carry_attributes",
    "digest_at",
    "digest_of",
    "remove_backup",
    "restore",
    "settle",
]

_COPY_BYTES = 1024 * 1024
_CANNOT_LINK = frozenset(
    {
        *(errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP),
        errno.ENOTSUP,
    }
)


class ChangedError(Exception):
    """Say that an original is not what it was when it was read."""


@dataclass(frozen=True, slots=True)
class Original:
    """What a file was when it was read.

    Attributes:
        size_bytes: Its size.
        mtime_ns: Its modification time, nanoseconds since the epoch.
        inode: Its inode, 0 if unknown.
        digest: SHA-256 of its content, hexadecimal.
    """

    size_bytes: int
    mtime_ns: int
    inode: int
    digest: str

    def is_at(self, status: os.stat_result) -> bool:
        """Return whether a status is still this file's."""
        return (
            stat.S_ISREG(status.st_mode)
            and status.st_size == self.size_bytes
            and status.st_mtime_ns == self.mtime_ns
            and self.inode in {0, status.st_ino}
        )

    def confirm(self, folder: Folder, name: str) -> None:
        """Raise `ChangedError` unless the name is still this file's."""
        if not self.is_at(folder.status(name)):
            raise ChangedError("somebody wrote to it or replaced it")

    @contextlib.contextmanager
    def opened(self, folder: Folder, name: str) -> Iterator[int]:
        """Open it for reading and yield the descriptor.

        Raises:
            ChangedError: It is another file by now.
        """
        descriptor = folder.open(name, os.O_RDONLY)
        try:
            if not self.is_at(os.fstat(descriptor)):
                raise ChangedError("somebody wrote to it or replaced it")
            yield descriptor
        finally:
            os.close(descriptor)


class Keeper(Protocol):
    """What becomes of an original that is about to be replaced."""

    def keeping(
        self, folder: Folder, name: str, original: Original
    ) -> AbstractContextManager[None]:
        """Make it safe, then replace it inside the block; what raises there undoes the keeping."""


@dataclass(frozen=True, slots=True)
class NoBackup:
    """Keeps nothing, as the user asked."""

    def keeping(
        self, folder: Folder, name: str, original: Original
    ) -> AbstractContextManager[None]:
        """Do nothing."""
        del folder, name, original
        return contextlib.nullcontext()


@dataclass(frozen=True, slots=True)
class Backup:
    """Keeps an original in a folder of backups, by a hard link, or a copy where that cannot be.

    Args:
        root: The folder of backups.
        relative: Name that the original gets there.
    """

    root: Root
    relative: str

    @contextlib.contextmanager
    def keeping(self, folder: Folder, name: str, original: Original) -> Iterator[None]:
        """Keep it on the disc, then let it be replaced.

        Raises:
            ChangedError: It is not what was read any more.
            FileExistsError: Something else has the name.
            OSError: It cannot be kept.
        """
        above, _, kept = self.relative.rpartition("/")
        with self.root.folder(above, can_make=True) as vault:
            is_new = _kept(folder, name, vault, kept, original)
            try:
                vault.flush()
                _flush_above(self.root, above)
                yield
            except BaseException:
                with contextlib.suppress(OSError):  # unless this is the only name it has left
                    if is_new and original.is_at(folder.status(name)):
                        vault.unlink(kept)
                raise


def digest_of(descriptor: int) -> str:
    """Return the SHA-256 of an open file from its start, hexadecimal."""
    import hashlib  # noqa: PLC0415 - brings OpenSSL, 2 ms, for runs in place and checksums alone

    with os.fdopen(os.dup(descriptor), "rb", buffering=0) as file:
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_at(path: str) -> str:
    """Return the SHA-256 of the file with a name, hexadecimal.

    Raises:
        OSError: It cannot be read.
    """
    with reachable(path) as short, open(short, "rb", buffering=0) as file:
        return digest_of(file.fileno())


def carry_attributes(source: int, target: int) -> None:
    """Give an open file the mode, owner and extended attributes of another, as far as allowed.

    What only a superuser may give (an owner, some attributes) is left out without a word.
    """
    status = os.fstat(source)
    if hasattr(os, "fchown"):
        with contextlib.suppress(OSError):
            os.fchown(target, status.st_uid, status.st_gid)
    if os.chmod in os.supports_fd:
        os.chmod(target, stat.S_IMODE(status.st_mode))
    if not hasattr(os, "listxattr"):
        return
    with contextlib.suppress(OSError):  # a file system without them
        for name in os.listxattr(source):
            with contextlib.suppress(OSError):
                os.setxattr(target, name, os.getxattr(source, name))


def restore(backup: Root, kept: str, root: Root, relative: str) -> None:
    """Bring an original back from the backups, in place of what has its name.

    By a rename, or by a copy; then the backup is still there, and so it is where both names are
    of the very same file.

    Args:
        backup: The folder of backups.
        kept: Name of the original there.
        root: The folder it came from.
        relative: Its name there.

    Raises:
        OSError: It cannot be moved.
    """
    above, _, name = kept.rpartition("/")
    home_above, _, home_name = relative.rpartition("/")
    with (
        backup.folder(above, can_make=False) as vault,
        root.folder(home_above, can_make=True) as home,
    ):
        try:
            vault.move_into(name, home, home_name)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copied(vault, name, home, home_name)
        home.flush()
        vault.flush()


def settle(root: Root, relative: str) -> None:
    """Bring the name of an original that is back already to the disc.

    Raises:
        OSError: The disc does not take it.
    """
    with root.folder(posixpath.dirname(relative), can_make=False) as home:
        home.flush()


def remove_backup(backup: Root, kept: str) -> None:
    """Remove what is left of a backup, and folders that hold nothing any more.

    Raises:
        OSError: It cannot be removed.
    """
    above, _, name = kept.rpartition("/")
    with contextlib.suppress(FileNotFoundError), backup.folder(above, can_make=False) as vault:
        vault.unlink(name)
    _remove_empty(backup, above)


@dataclass(slots=True)
class Backups:
    """The folder that keeps originals, as the coordinator sees it.

    Args:
        root: Absolute path of the folder.
    """

    root: str
    _held: Root = field(init=False)

    def __post_init__(self) -> None:
        """Hold the folder from when it is first looked into."""
        self._held = Root(self.root)

    def prepare(self) -> None:
        """Make the folder, to last.

        Raises:
            RunError: It cannot be made, or is no folder.
        """
        try:
            made(self.root)
        except OSError as error:
            raise RunError(
                f"cannot make the folder of backups {self.root}: {error.strerror or error}"
            ) from error

    def name_for(self, source: SourceRef) -> str:
        """Return a name for a source that is free, or held by this very source already.

        `a.jpg`, and `a.jpg.~2~` where an earlier original has that.
        """
        name, count = source.path, 1
        while not self._is_for(name, source):
            count += 1
            name = f"{source.path}.~{count}~"
        return name

    def sweep(self, relative_folder: str) -> None:
        """Remove half-written copies that no living process holds."""
        sweep_below(self._held, relative_folder)

    def _is_for(self, name: str, source: SourceRef) -> bool:
        try:
            status = lstat(f"{self.root}/{name}")
        except OSError:  # nothing there; where it is more than that, keeping it will tell
            return True
        is_alike = status.st_size == source.size_bytes and status.st_mtime_ns == source.mtime_ns
        return stat.S_ISREG(status.st_mode) and is_alike


def _kept(folder: Folder, name: str, vault: Folder, kept: str, original: Original) -> bool:
    """Give an original its second name; return whether it is new there."""
    try:
        folder.link_into(name, vault, kept)
    except FileExistsError:
        if not _is_same(vault, kept, original):
            raise
        return False
    except OSError as error:
        if error.errno not in _CANNOT_LINK:
            raise
        if vault.has(kept) and _is_same(vault, kept, original):
            return False
        _copied(folder, name, vault, kept, original=original)
        return True
    if not original.is_at(vault.status(kept)):
        vault.unlink(kept)
        raise ChangedError("somebody wrote to it or replaced it")
    return True


def _is_same(vault: Folder, kept: str, original: Original) -> bool:
    """Return whether a backup is this original already, of a run that was ended before it noted."""
    descriptor = vault.open(kept, os.O_RDONLY)
    try:
        is_alike = os.fstat(descriptor).st_size == original.size_bytes
        return is_alike and digest_of(descriptor) == original.digest
    finally:
        os.close(descriptor)


def _copied(
    folder: Folder, name: str, other: Folder, final: str, *, original: Original | None = None
) -> None:
    """Copy a file with all that it carries; onto a free name where it is an original's backup."""
    import hashlib  # noqa: PLC0415 - see `digest_of`

    source = folder.open(name, os.O_RDONLY)
    try:
        status = os.fstat(source)
        with draft(other) as copy:
            hashed = hashlib.sha256()
            while chunk := os.read(source, _COPY_BYTES):
                hashed.update(chunk)
                write_all(copy.descriptor, chunk)
            if original is not None and hashed.hexdigest() != original.digest:
                raise ChangedError("its content changed")
            carry_attributes(source, copy.descriptor)
            copy.set_times(status.st_atime_ns, status.st_mtime_ns)
            os.fsync(copy.descriptor)
            if original is not None and other.has(final):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), final)
            other.replace(copy.name, final)
    finally:
        os.close(source)


def _flush_above(root: Root, relative: str) -> None:
    """Bring the names of the folders above to the disc: they may be new."""
    while relative:
        relative = posixpath.dirname(relative)
        with root.folder(relative, can_make=False) as folder:
            folder.flush()


def _remove_empty(root: Root, relative: str) -> None:
    """Remove folders of the backups that hold nothing any more."""
    with contextlib.suppress(OSError):
        while relative:
            relative, name = posixpath.split(relative)
            with root.folder(relative, can_make=False) as folder:
                folder.remove_folder(name)

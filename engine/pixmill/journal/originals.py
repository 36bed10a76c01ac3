"""What the journal knows of originals that were replaced in place, and of those in doubt.

Must not look at any file: `pixmill.restoring` does.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from pixmill.journal.rows import digest_bytes, telling
from pixmill.model import Status

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from pixmill.model import Outcome

__all__ = [
    "ADD_REPLACED",
    "Doubt",
    "Originals",
    "Replaced",
    "digest_bytes",
    "replaced_in",
    "replaced_row",
]

ADD_REPLACED: Final = """INSERT OR REPLACE INTO originals (path, run, backup, size_bytes, mtime_ns,
    digest, written_bytes, written_digest, replaced_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"""


_DOUBTS: Final = """SELECT files.path, run, runs.backup, files.backup, size_bytes, mtime_ns
    FROM files JOIN runs ON runs.id = run WHERE outcome = 'started' AND is_in_place"""


@dataclass(frozen=True, slots=True)
class Doubt:
    """A file that a run was about to replace, or had just replaced, when it ended without a word.

    Attributes:
        path: Its name, relative to the root.
        run: The run.
        backup_root: Absolute path of the folder of backups, empty where none were kept.
        backup: Its name there, empty where none was kept.
        size_bytes: Its size before.
        mtime_ns: Its modification time before.
    """

    path: str
    run: int
    backup_root: str
    backup: str
    size_bytes: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Replaced(Doubt):
    """An original that a run has replaced.

    Attributes:
        digest: SHA-256 of its content, hexadecimal.
        written_bytes: Size of the result in its place.
        written_digest: SHA-256 of that.
    """

    digest: str
    written_bytes: int
    written_digest: str


@dataclass(frozen=True, slots=True)
class Originals:
    """The part of a journal that speaks of replaced originals.

    Args:
        connection: The database; each change is a transaction of its own.
    """

    connection: sqlite3.Connection

    def doubts(self) -> list[Doubt]:
        """Return every file that runs in place have left in doubt."""
        with telling("read"):
            return [_doubt(row) for row in self.connection.execute(_DOUBTS)]

    def doubt_of(self, path: str) -> Doubt | None:
        """Return what is known of one file in doubt, or nothing where it is none."""
        with telling("read"):
            found = self.connection.execute(f"{_DOUBTS} AND path = ?", (os.fsencode(path),))
            row = found.fetchone()
        return None if row is None else _doubt(row)

    def settle(self, replaced: Replaced) -> None:
        """Note that a file in doubt had been replaced."""
        with telling("written"), self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.execute(ADD_REPLACED, replaced_row(replaced))
            self.connection.execute(
                "UPDATE files SET outcome = ?, written_bytes = ?, digest = ?, written_digest = ? "
                "WHERE path = ?",
                (
                    str(Status.OPTIMIZED),
                    replaced.written_bytes,
                    digest_bytes(replaced.digest) or None,
                    digest_bytes(replaced.written_digest),
                    os.fsencode(replaced.path),
                ),
            )

    def replaced(self) -> Iterator[list[Replaced]]:
        """Yield what was replaced, file by file, each time that it was, the oldest first."""
        with telling("read"):
            rows = self.connection.execute(
                "SELECT path, run, runs.backup, originals.backup, size_bytes, mtime_ns, digest, "
                "written_bytes, written_digest FROM originals JOIN runs ON runs.id = run "
                "ORDER BY path, run"
            )
            for _, group in groupby(map(_replaced, rows), key=lambda each: each.path):
                yield list(group)

    def folders(self) -> frozenset[str]:
        """Return the folders where originals are kept, as absolute paths."""
        with telling("read"):
            found = self.connection.execute(
                "SELECT DISTINCT backup FROM runs WHERE is_in_place "
                "AND EXISTS (SELECT 1 FROM originals WHERE run = runs.id)"
            )
            return frozenset(os.fsdecode(root) for (root,) in found if root)

    def forget(self, undone: list[Replaced]) -> None:
        """Forget that a file was replaced in these runs, and that it needs nothing more."""
        with telling("written"), self.connection:
            self.connection.execute("BEGIN IMMEDIATE")
            for each in undone:
                path = os.fsencode(each.path)
                self.connection.execute(
                    "DELETE FROM originals WHERE path = ? AND run = ?", (path, each.run)
                )
                self.connection.execute("DELETE FROM files WHERE path = ?", (path,))


def replaced_in(outcome: Outcome, run: int) -> Replaced:
    """Return what a run in place has replaced, as the outcome tells it."""
    return Replaced(
        path=outcome.path,
        run=run,
        backup_root="",  # the run's row has it
        backup=outcome.backup,
        size_bytes=outcome.bytes_read,
        mtime_ns=outcome.mtime_ns,
        digest=outcome.digest,
        written_bytes=outcome.bytes_written,
        written_digest=outcome.written_digest,
    )


def replaced_row(replaced: Replaced) -> tuple[object, ...]:
    """Return the parameters of `ADD_REPLACED`."""
    return (
        os.fsencode(replaced.path),
        replaced.run,
        os.fsencode(replaced.backup),
        replaced.size_bytes,
        replaced.mtime_ns,
        digest_bytes(replaced.digest),
        replaced.written_bytes,
        digest_bytes(replaced.written_digest),
        time.time(),
    )


def _replaced(row: tuple[Any, ...]) -> Replaced:
    path, run, root, backup = _decoded(row[:4])
    size_bytes, mtime_ns, digest, written_bytes, written_digest = row[4:]
    return Replaced(
        path=path,
        run=run,
        backup_root=root,
        backup=backup,
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
        digest=digest.hex(),
        written_bytes=written_bytes,
        written_digest=written_digest.hex(),
    )


def _doubt(row: tuple[Any, ...]) -> Doubt:
    return Doubt(*_decoded(row[:4]), row[4], row[5])


def _decoded(columns: tuple[Any, ...]) -> tuple[str, int, str, str]:
    path, run, root, backup = columns
    return os.fsdecode(path), run, os.fsdecode(root or b""), os.fsdecode(backup or b"")

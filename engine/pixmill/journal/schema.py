"""The journal's tables, and the numbered steps from each version to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.errors import RunError

if TYPE_CHECKING:
    import sqlite3

__all__ = ["VERSION", "migrate"]

# One statement list a version; a step, once released, is never edited. Paths are blobs of the
# file system's own bytes: a name need not be UTF-8.
_STEPS: Final = (
    (
        """CREATE TABLE runs (
            id INTEGER PRIMARY KEY,
            source TEXT NOT NULL,
            recipe TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            version TEXT NOT NULL,
            pid INTEGER NOT NULL,
            started_s REAL NOT NULL,
            ended_s REAL,
            ending TEXT,
            optimized INTEGER, kept INTEGER, skipped INTEGER, failed INTEGER,
            bytes_read INTEGER, bytes_written INTEGER
        )""",
        """CREATE TABLE files (
            path BLOB PRIMARY KEY,
            size_bytes INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            codec TEXT NOT NULL,
            fingerprint TEXT NOT NULL,
            outcome TEXT NOT NULL,
            destination BLOB,
            written_bytes INTEGER NOT NULL,
            kind TEXT,
            message TEXT,
            attempts INTEGER NOT NULL,
            run INTEGER NOT NULL,
            ended_s REAL NOT NULL
        ) WITHOUT ROWID""",
        "CREATE INDEX files_by_outcome ON files (outcome)",
    ),
)
VERSION: Final = len(_STEPS)


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a journal up to this version, step by step, each in a transaction of its own.

    Raises:
        RunError: The journal was written by a newer pixmill.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found > VERSION:
        raise RunError(
            f"the journal has schema {found}, and this pixmill knows {VERSION}: "
            f"use the newer pixmill that wrote it, or name another with --journal"
        )
    for version, statements in enumerate(_STEPS[found:], start=found + 1):
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("COMMIT")

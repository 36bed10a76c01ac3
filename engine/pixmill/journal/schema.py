"""The journal's tables, and the numbered steps from each version to the next."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from pixmill.errors import RunError

if TYPE_CHECKING:
    import sqlite3

__all__ = ["STEPS", "VERSION", "is_older", "migrate"]

# One statement list a version; a step, once released, is never edited. Paths are blobs of the
# file system's own bytes: a name need not be UTF-8.
STEPS: Final = (
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
    (
        # For runs that know files by content, replace them in place, or went down with them.
        "ALTER TABLE files ADD COLUMN digest BLOB",
        "ALTER TABLE files ADD COLUMN written_digest BLOB",
        "ALTER TABLE files ADD COLUMN backup BLOB",
        "ALTER TABLE files ADD COLUMN number INTEGER",
        "ALTER TABLE files ADD COLUMN downs INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN is_in_place INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE runs ADD COLUMN backup BLOB",
        """CREATE TABLE originals (
            path BLOB NOT NULL,
            run INTEGER NOT NULL,
            backup BLOB,
            size_bytes INTEGER NOT NULL,
            mtime_ns INTEGER NOT NULL,
            digest BLOB NOT NULL,
            written_bytes INTEGER NOT NULL,
            written_digest BLOB NOT NULL,
            replaced_s REAL NOT NULL,
            PRIMARY KEY (path, run)
        ) WITHOUT ROWID""",
    ),
    (
        # For sources that have several outputs: what `outputs` says of them, as JSON.
        "ALTER TABLE files ADD COLUMN outputs TEXT",
    ),
    (
        # For runs that share an output: which share, and the report that all of them make one of.
        "ALTER TABLE runs ADD COLUMN shard TEXT",
        "ALTER TABLE runs ADD COLUMN report TEXT",
    ),
)
VERSION: Final = len(STEPS)


def is_older(connection: sqlite3.Connection) -> bool:
    """Return whether a journal was last written by a pixmill that knew fewer tables."""
    return _version(connection) < VERSION


def migrate(connection: sqlite3.Connection) -> None:
    """Bring a journal up to this version, whole or not at all.

    In one transaction: each costs a new journal two flushes of the disc, before the first job.

    Raises:
        RunError: The journal was written by a newer pixmill.
    """
    found = _version(connection)
    if found > VERSION:
        raise RunError(
            f"the journal has schema {found}, and this pixmill knows {VERSION}: "
            f"use the newer pixmill that wrote it, or name another with --journal"
        )
    if found == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    for statement in chain.from_iterable(STEPS[found:]):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def _version(connection: sqlite3.Connection) -> int:
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    return int(found)

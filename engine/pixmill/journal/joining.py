"""From the journals of shards to the one journal of an output.

Joining is repeatable: a journal is removed once what it knew is committed, and what was joined
before is the same when it is joined again. Locks stay: somebody may be about to take one. Must not
look at any image.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING, Any, Final, Protocol

from pixmill.journal.rows import telling
from pixmill.journal.schema import migrate
from pixmill.journal.store import Journal, opened, opened_to_read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pixmill.journal.place import Place
    from pixmill.sharding import Shard

__all__ = ["FILES", "ORIGINALS", "RUNS", "Noted", "joined", "viewed"]

RUNS: Final = (
    *("source", "recipe", "fingerprint", "version", "pid", "started_s", "ended_s", "ending"),
    *("optimized", "kept", "skipped", "failed", "bytes_read", "bytes_written"),
    *("is_in_place", "backup", "shard", "report"),
)
FILES: Final = (
    *("path", "run", "size_bytes", "mtime_ns", "codec", "fingerprint", "outcome", "destination"),
    *("written_bytes", "kind", "message", "attempts", "ended_s", "digest", "written_digest"),
    *("backup", "number", "downs", "outputs"),
)
ORIGINALS: Final = (
    *("path", "run", "backup", "size_bytes", "mtime_ns", "digest", "written_bytes"),
    *("written_digest", "replaced_s"),
)
_KEPT: Final = frozenset({"path", "destination", "outputs"})
_SAME_RUN: Final = "SELECT id FROM runs WHERE pid = ? AND started_s = ? AND shard IS ?"
# What a shard knows is newer, but a source that failed before it was a job keeps what it has.
_JOIN_FILE: Final = (
    f"INSERT INTO files ({', '.join(FILES)}) VALUES ({', '.join('?' * len(FILES))}) "  # noqa: S608 - our own names
    "ON CONFLICT (path) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in FILES if name not in _KEPT)
    + ", destination = COALESCE(excluded.destination, destination), "
    "outputs = COALESCE(excluded.outputs, CASE WHEN excluded.destination IS NULL "
    "OR excluded.outcome = 'started' THEN outputs END)"
)


class Noted(Protocol):
    """The notes of what the workers of a run hold."""

    def left(self) -> list[int]:
        """Return the numbers of the jobs that a dead run had in its hands."""

    def clear(self) -> None:
        """Remove every note."""


def joined(place: Place, hands: Callable[[Path], Noted]) -> tuple[Shard, ...]:
    """Join the journals of all shards into the one of the output, and remove their files.

    To be called by who has the output to himself.

    Args:
        place: The state of the whole output.
        hands: Returns the notes whose files have a prefix.

    Returns:
        The shards that were joined.

    Raises:
        RunError: A journal cannot be opened, read or written.
    """
    shards = place.shards()
    if not (shards or place.journal.exists()):
        return ()
    into = opened(place.journal, lambda _folders: None)
    try:
        if shards:
            _blamed(into, hands(place.hands))
        for shard in shards:
            _take_in(into, shard, hands(shard.hands))
    finally:
        into.close(None)
    return tuple(each.shard for each in shards)


def viewed(place: Place, *, is_passing: bool = False) -> Journal | None:
    """Open what all journals of an output know together, without changing any of them.

    Args:
        place: The state of the whole output.
        is_passing: Whether its files may go while the journal is open. Default: no.

    Returns:
        A journal that is gone when it is closed; `None` where there is none.

    Raises:
        RunError: One cannot be read, or was written by a newer pixmill.
    """
    shards = place.shards()
    if not shards:
        return opened_to_read(place.journal, is_passing=is_passing)
    connection = sqlite3.connect("", isolation_level=None)  # on disc
    migrate(connection)
    for each in (place, *shards):
        found = opened_to_read(each.journal)
        if found is not None:
            with contextlib.closing(found.connection):
                _join(connection, found.connection)
    return Journal(connection)


def _take_in(into: Journal, place: Place, hands: Noted) -> None:
    shard = opened(place.journal, lambda _folders: None)
    try:
        _blamed(shard, hands)
        _join(into.connection, shard.connection)
    finally:
        shard.close(None)
    place.journal.unlink()
    place.manifest.unlink(missing_ok=True)


def _blamed(journal: Journal, hands: Noted) -> None:
    """Hold it against files that a run went down with them: after joining nobody could tell."""
    journal.blame(hands.left())
    hands.clear()


def _join(into: sqlite3.Connection, other: sqlite3.Connection) -> None:
    with telling("written"):
        into.execute("BEGIN IMMEDIATE")
        try:
            runs = dict(_numbered(into, other))
            into.executemany(_JOIN_FILE, _rows(other, "files", FILES, runs))
            marks = ", ".join("?" * len(ORIGINALS))
            into.executemany(
                f"INSERT OR REPLACE INTO originals ({', '.join(ORIGINALS)}) VALUES ({marks})",  # noqa: S608 - our own names
                _rows(other, "originals", ORIGINALS, runs),
            )
            into.execute("COMMIT")
        except BaseException:
            if into.in_transaction:
                into.execute("ROLLBACK")
            raise


def _numbered(into: sqlite3.Connection, other: sqlite3.Connection) -> Iterator[tuple[int, int]]:
    """Take in every run that is not there yet, and yield its number there and here."""
    marks = ", ".join("?" * len(RUNS))
    for number, *row in other.execute(f"SELECT id, {', '.join(RUNS)} FROM runs ORDER BY id"):  # noqa: S608 - our own names
        known = dict(zip(RUNS, row, strict=True))
        key = (known["pid"], known["started_s"], known["shard"])
        same = into.execute(_SAME_RUN, key).fetchone()
        if same is None:
            added = into.execute(f"INSERT INTO runs ({', '.join(RUNS)}) VALUES ({marks})", row)  # noqa: S608 - likewise
            yield number, added.lastrowid or 0
        else:
            yield number, same[0]


def _rows(
    other: sqlite3.Connection, table: str, columns: Sequence[str], runs: dict[int, int]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table that begin with a path and a run, with that run's number here."""
    for path, run, *rest in other.execute(f"SELECT {', '.join(columns)} FROM {table}"):  # noqa: S608 - our own names
        yield (path, runs.get(run, 0), *rest)

"""The journal of one output: one writer, batched commits, point look-ups.

A commit comes after everything it speaks of is in place, so a crash between the two repeats work
and never loses any. Before a job is sent its row says `started`: whatever is found at its
destination afterwards is pixmill's own. A journal that cannot be written or read ends the run: it
raises `RunError` and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
import sqlite3
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pixmill.errors import RunError
from pixmill.journal.originals import (
    ADD_REPLACED,
    Originals,
    digest_bytes,
    replaced_in,
    replaced_row,
)
from pixmill.journal.place import is_network
from pixmill.journal.schema import is_older, migrate
from pixmill.model import SkipReason, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pixmill.model import Job, Outcome, SourceRef
    from pixmill.reporting import RunFacts, Summary

__all__ = ["STARTED", "Journal", "PastRun", "Record", "opened", "opened_to_read"]

STARTED: Final = "started"
_BATCH_ROWS: Final = 512
_BATCH_S: Final = 1.0
# What a failed attempt leaves standing at the destination stays pixmill's own.
_UPSERT: Final = """INSERT INTO files (path, size_bytes, mtime_ns, codec, fingerprint, outcome,
    destination, written_bytes, kind, message, attempts, run, ended_s, digest, written_digest,
    backup, number) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (path) DO UPDATE SET size_bytes = excluded.size_bytes,
    mtime_ns = excluded.mtime_ns, codec = excluded.codec, fingerprint = excluded.fingerprint,
    outcome = excluded.outcome, destination = COALESCE(excluded.destination, destination),
    written_bytes = excluded.written_bytes, kind = excluded.kind, message = excluded.message,
    attempts = excluded.attempts, run = excluded.run, ended_s = excluded.ended_s,
    digest = excluded.digest, written_digest = excluded.written_digest, backup = excluded.backup,
    number = excluded.number, downs = CASE WHEN excluded.outcome = 'started'
    OR excluded.kind = 'quarantined' THEN downs ELSE 0 END"""
_LOOKUP: Final = """SELECT path, size_bytes, mtime_ns, codec, fingerprint, outcome, destination,
    written_bytes, digest, written_digest, downs FROM files WHERE path IN"""
_LOOKUP_ROWS: Final = 256
_Row: TypeAlias = tuple[object, ...]


@dataclass(frozen=True, slots=True)
class Record:
    """What the journal knows of one source.

    Attributes:
        size_bytes: Its size when it was made.
        mtime_ns: Its modification time then.
        codec: What it was recognised as.
        fingerprint: Fingerprint of the recipe it was made under.
        outcome: How it ended; `started` where the run ended first.
        destination: What was published, relative to the destination root, or empty.
        written_bytes: Size of that.
        digest: SHA-256 of the source, hexadecimal, where it was asked for; else empty.
        written_digest: SHA-256 of what was published, likewise.
        downs: How many runs have ended without a word with it in their hands.
    """

    size_bytes: int
    mtime_ns: int
    codec: str
    fingerprint: str
    outcome: str
    destination: str
    written_bytes: int
    digest: str = ""
    written_digest: str = ""
    downs: int = 0

    def is_of(self, source: SourceRef) -> bool:
        """Return whether a source is still the one that this speaks of."""
        return self.size_bytes == source.size_bytes and self.mtime_ns == source.mtime_ns

    def is_result(self, source: SourceRef) -> bool:
        """Return whether a source is what was put in place of the one that this speaks of."""
        is_made = self.outcome == Status.OPTIMIZED
        is_alike = self.written_bytes == source.size_bytes and self.mtime_ns == source.mtime_ns
        return is_made and is_alike


@dataclass(frozen=True, slots=True)
class PastRun:
    """One run in the journal."""

    number: int
    source: str
    fingerprint: str
    version: str
    pid: int
    started_s: float
    ended_s: float | None
    ending: str
    counts: dict[str, int]
    bytes_read: int
    bytes_written: int
    is_in_place: bool
    backup: str


@dataclass(slots=True)
class Journal:
    """An open journal.

    Args:
        connection: The database, with its tables.
        sync: Called before every commit with the folders that hold what it speaks of.
    """

    connection: sqlite3.Connection
    sync: Callable[[set[str]], None] = lambda _folders: None
    _run: int = 0
    _fingerprint: str = ""
    _is_in_place: bool = False
    _rows: list[_Row] = field(default_factory=list)
    _replaced: list[_Row] = field(default_factory=list)
    _folders: set[str] = field(default_factory=set)
    _due_s: float = 0.0

    def begin(self, facts: RunFacts, version: str) -> None:
        """Note that a run begins."""
        self._fingerprint, self._is_in_place = facts.fingerprint, facts.is_in_place
        with _telling("written"):
            cursor = self.connection.execute(
                "INSERT INTO runs (is_in_place, backup, source, recipe, fingerprint, version, "
                "pid, started_s) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    facts.is_in_place,
                    os.fsencode(facts.backup),
                    _stored(facts.source),
                    json.dumps(facts.recipe),
                    facts.fingerprint,
                    version,
                    os.getpid(),
                    time.time(),
                ),
            )
        self._run = cursor.lastrowid or 0

    @property
    def originals(self) -> Originals:
        """What it knows of originals that were replaced in place."""
        return Originals(self.connection)

    def blame(self, numbers: Sequence[int]) -> None:
        """Hold it against these jobs of the last run if that ended without a word.

        To be called before a run begins.
        """
        marks = ", ".join("?" * len(numbers))
        with _telling("written"):
            self.connection.execute(
                f"UPDATE files SET downs = downs + 1 WHERE number IN ({marks}) AND outcome = ? "  # noqa: S608 - marks alone
                "AND run = (SELECT MAX(id) FROM runs) "
                "AND (SELECT ended_s FROM runs ORDER BY id DESC LIMIT 1) IS NULL",
                (*numbers, STARTED),
            )

    def records_of(self, paths: Sequence[str]) -> dict[str, Record]:
        """Return what is known of some sources, by path; many at once cost least."""
        known = {}
        for start in range(0, len(paths), _LOOKUP_ROWS):
            keys = {os.fsencode(path): path for path in paths[start : start + _LOOKUP_ROWS]}
            with _telling("read"):
                for key, *columns in self.connection.execute(*_lookup([*keys])):
                    known[keys[key]] = _record(columns)
        return known

    def start(self, jobs: list[Job]) -> None:
        """Note, for good, that what appears at these jobs' destinations will be pixmill's own."""
        self._write([self._started_row(job) for job in jobs])

    def end(self, outcome: Outcome) -> None:
        """Note how a source ended, with the next batch; what was never made is not noted."""
        if outcome.status is Status.SKIPPED and outcome.reason is not SkipReason.LARGER:
            return
        self._rows.append(self._ended_row(outcome))
        if self._is_in_place and outcome.destination is not None:
            self._replaced.append(replaced_row(replaced_in(outcome, self._run)))
        if outcome.destination is not None:
            self._folders.add(posixpath.dirname(outcome.destination))

    def tick(self) -> None:
        """Commit what is enough for a batch, or has waited long enough."""
        is_due = time.monotonic() >= self._due_s or len(self._rows) >= _BATCH_ROWS
        if self._rows and is_due:
            self.flush()

    def flush(self) -> None:
        """Commit what is noted, once it is all in place.

        Raises:
            RunError: The disc of the results or that of the journal does not take it.
        """
        self._due_s = time.monotonic() + _BATCH_S
        if self._rows:
            self._sync()
            self._write(self._rows, self._replaced)
        self._forget()

    def settle(self) -> None:
        """Commit what is noted, for the last time: what cannot be is forgotten, and made again.

        Raises:
            RunError: It cannot be.
        """
        try:
            self.flush()
        finally:
            self._forget()

    def close(self, summary: Summary | None) -> None:
        """Commit, note how the run ended, and close."""
        with contextlib.closing(self.connection):
            self.settle()
            # a run that cannot note its end looks like one that was killed, which resumes as well
            if summary is not None and self._run:
                with contextlib.suppress(sqlite3.Error):
                    self._note_end(summary)

    def counts(self) -> dict[str, int]:
        """Return how many sources ended in each way."""
        rows = self.connection.execute("SELECT outcome, COUNT(*) FROM files GROUP BY outcome")
        return dict(rows.fetchall())

    def failures(self) -> Iterator[tuple[str, str, str, int]]:
        """Yield path, kind, message and attempts of every source that failed, by path."""
        rows = self.connection.execute(
            "SELECT path, kind, message, attempts FROM files WHERE outcome = ? ORDER BY path",
            (str(Status.FAILED),),
        )
        for path, kind, message, attempts in rows:
            yield os.fsdecode(path), kind, _told(message), attempts

    def runs(self) -> list[PastRun]:
        """Return every run, the oldest first."""
        rows = self.connection.execute(
            "SELECT id, source, fingerprint, version, pid, started_s, ended_s, ending, "
            "optimized, kept, skipped, failed, bytes_read, bytes_written, is_in_place, backup "
            "FROM runs ORDER BY id"
        )
        return [_past_run(row) for row in rows]

    def _started_row(self, job: Job) -> _Row:
        source = job.source
        return (
            os.fsencode(source.path),
            source.size_bytes,
            source.mtime_ns,
            source.codec,
            self._fingerprint,
            STARTED,
            os.fsencode(job.destination),
            *(0, None, None, 0),
            self._run,
            time.time(),
            *(None, None),
            os.fsencode(job.backup),
            job.number,
        )

    def _ended_row(self, outcome: Outcome) -> _Row:
        failure = outcome.failure
        return (
            os.fsencode(outcome.path),
            outcome.bytes_read,
            outcome.mtime_ns,
            outcome.codec,
            self._fingerprint,
            str(outcome.status),
            None if outcome.destination is None else os.fsencode(outcome.destination),
            outcome.bytes_written,
            None if failure is None else str(failure.kind),
            None if failure is None else _stored(failure.message),
            outcome.attempts,
            self._run,
            time.time(),
            digest_bytes(outcome.digest) or None,
            digest_bytes(outcome.written_digest) or None,
            os.fsencode(outcome.backup),
            None,
        )

    def _sync(self) -> None:
        """Bring what is noted to the disc.

        A batch whose sync has failed may never be committed: the kernel tells of a lost write once,
        and the next sync would say that all is well.
        """
        try:
            self.sync(self._folders)
        except OSError as error:
            self._forget()
            raise RunError(
                f"results cannot be brought to the disc: {(error.strerror or str(error)).lower()}; "
                f"look at the disc that holds the output, then run again"
            ) from error

    def _forget(self) -> None:
        self._rows, self._replaced, self._folders = [], [], set()

    def _write(self, rows: Sequence[_Row], replaced: Sequence[_Row] = ()) -> None:
        with _telling("written"):
            self.connection.execute("BEGIN")
            try:
                self.connection.executemany(_UPSERT, rows)
                self.connection.executemany(ADD_REPLACED, replaced)
                self.connection.execute("COMMIT")
            except sqlite3.Error:
                if self.connection.in_transaction:  # some errors have ended it already
                    self.connection.execute("ROLLBACK")
                raise

    def _note_end(self, summary: Summary) -> None:
        ending = "failed" if summary.fatal else "interrupted" if summary.is_interrupted else "done"
        self.connection.execute(
            "UPDATE runs SET ended_s = ?, ending = ?, optimized = ?, kept = ?, skipped = ?, "
            "failed = ?, bytes_read = ?, bytes_written = ? WHERE id = ?",
            (
                time.time(),
                ending,
                summary.optimized,
                summary.kept,
                summary.skipped,
                summary.failed,
                summary.bytes_read,
                summary.bytes_written,
                self._run,
            ),
        )


def _stored(text: str) -> str | bytes:
    """Return a text as SQLite takes it: one that names what is no UTF-8 as bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def _told(stored: str | bytes) -> str:
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def _lookup(keys: list[bytes]) -> tuple[str, list[bytes | None]]:
    """Return a statement that looks up all keys, and its parameters.

    Padded with NULL, which no path is, to a power of two: there are few statements to prepare.
    For 256 files one takes 2.6 us a file, looked up one by one they take 6.9.
    """
    size = 1 << (len(keys) - 1).bit_length()
    marks = ", ".join("?" * size)
    return f"{_LOOKUP} ({marks})", [*keys, *[None] * (size - len(keys))]


def _record(columns: Sequence[Any]) -> Record:
    size_bytes, mtime_ns, codec, fingerprint, outcome, *rest = columns
    destination, written_bytes, digest, written_digest, downs = rest
    return Record(
        size_bytes=size_bytes,
        mtime_ns=mtime_ns,
        codec=codec,
        fingerprint=fingerprint,
        outcome=outcome,
        destination=os.fsdecode(destination or b""),
        written_bytes=written_bytes,
        digest=digest.hex() if digest else "",
        written_digest=written_digest.hex() if written_digest else "",
        downs=downs,
    )


@contextlib.contextmanager
def _telling(deed: str) -> Iterator[None]:
    """Turn what sqlite3 raises into trouble of the run, and say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise RunError(
            f"the journal cannot be {deed}: {error}; make room for it, look at its disc or name "
            f"another with --journal, then run again"
        ) from error


def _past_run(row: tuple[Any, ...]) -> PastRun:
    words = ("optimized", "kept", "skipped", "failed")
    return PastRun(
        number=row[0],
        source=_told(row[1]),
        fingerprint=row[2],
        version=row[3],
        pid=row[4],
        started_s=row[5],
        ended_s=row[6],
        ending=row[7] or "",
        counts={word: count or 0 for word, count in zip(words, row[8:12], strict=True)},
        bytes_read=row[12] or 0,
        bytes_written=row[13] or 0,
        is_in_place=bool(row[14]),
        backup=os.fsdecode(row[15] or b""),
    )


def opened(path: Path, sync: Callable[[set[str]], None]) -> Journal:
    """Open a journal for writing, making it where there is none.

    Write-ahead logging where the disc is local; a rollback journal on network file systems, which
    cannot share the log's memory map.

    Raises:
        RunError: It cannot be opened, or was written by a newer pixmill.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # One run is driven by one thread at a time, and may be handed from one to another.
        connection = sqlite3.connect(
            path, isolation_level=None, timeout=10, check_same_thread=False
        )
        mode = "DELETE" if is_network(path.parent) else "WAL"
        connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -2000")
        migrate(connection)
    except (sqlite3.Error, OSError) as error:
        raise RunError(
            f"cannot open the journal {path}: {error}; name another with --journal"
        ) from error
    return Journal(connection, sync)


def opened_to_read(path: Path) -> Journal | None:
    """Open a journal without changing it, `None` where there is none.

    Raises:
        RunError: It cannot be read, or was written by a newer pixmill.
    """
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None)
        if is_older(connection):
            with contextlib.closing(connection) as found:
                connection = sqlite3.connect("", isolation_level=None)  # on disc, gone when closed
                found.backup(connection)
        migrate(connection)
    except sqlite3.Error as error:
        raise RunError(f"cannot read the journal {path}: {error}") from error
    return Journal(connection)

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
from typing import TYPE_CHECKING, Final

from pixmill.errors import RunError
from pixmill.events import summary_document
from pixmill.journal.originals import ADD_REPLACED, Originals, replaced_in, replaced_row
from pixmill.journal.place import is_network
from pixmill.journal.rows import (
    LOOKUP_ROWS,
    STARTED,
    UPSERT,
    ended_row,
    lookup,
    over,
    past_run,
    record,
    started_row,
    stored,
    telling,
    told,
)
from pixmill.journal.schema import is_older, migrate
from pixmill.model import SkipReason, Status
from pixmill.sharding import WHOLE, parse_shard

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from pixmill.journal.copies import Copies
    from pixmill.journal.rows import PastRun, Record, Row
    from pixmill.model import Job, Outcome
    from pixmill.reporting import RunFacts, Summary
    from pixmill.sharding import Shard

__all__ = ["Journal", "opened", "opened_to_read"]

_BATCH_ROWS: Final = 512
_BATCH_S: Final = 1.0


@dataclass(slots=True)
class Journal:
    """An open journal.

    Args:
        connection: The database, with its tables.
        sync: Called before every commit with the folders that hold what it speaks of.
        elder: What was known before the output was divided into shards, where this is the journal
            of one; read and never written.
        copies: What keeps copies of it elsewhere, or `None`.
    """

    connection: sqlite3.Connection
    sync: Callable[[set[str]], None] = lambda _folders: None
    elder: Journal | None = None
    copies: Copies | None = None
    _run: int = 0
    _fingerprint: str = ""
    _is_in_place: bool = False
    _has_report: bool = False
    _rows: list[Row] = field(default_factory=list)
    _replaced: list[Row] = field(default_factory=list)
    _folders: set[str] = field(default_factory=set)
    _due_s: float = 0.0

    def begin(self, facts: RunFacts, version: str) -> None:
        """Note that a run begins."""
        self._fingerprint, self._is_in_place = facts.fingerprint, facts.is_in_place
        self._has_report = bool(facts.shard)
        with telling("written"):
            cursor = self.connection.execute(
                "INSERT INTO runs (is_in_place, backup, source, recipe, fingerprint, version, "
                "pid, started_s, shard) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    facts.is_in_place,
                    os.fsencode(facts.backup),
                    stored(facts.source),
                    json.dumps(facts.recipe),
                    facts.fingerprint,
                    version,
                    os.getpid(),
                    time.time(),
                    facts.shard or None,
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
        with telling("written"):
            self.connection.execute(
                f"UPDATE files SET downs = downs + 1 WHERE number IN ({marks}) AND outcome = ? "  # noqa: S608 - marks alone
                "AND run = (SELECT MAX(id) FROM runs) "
                "AND (SELECT ended_s FROM runs ORDER BY id DESC LIMIT 1) IS NULL",
                (*numbers, STARTED),
            )

    def accuse(self, held: Sequence[tuple[Job, str]]) -> None:
        """Hold it against jobs that the last run went down with, by word from elsewhere.

        To be called before a run begins. What a copy of the journal that is older than they are
        does not know of them is noted as well.

        Args:
            held: Each with the fingerprint of its recipe.
        """
        for job, fingerprint in held:
            self._write([started_row(job, 0, fingerprint)])
            with telling("written"):
                self.connection.execute(
                    "UPDATE files SET downs = downs + 1 WHERE path = ?",
                    (os.fsencode(job.source.path),),
                )

    def records_of(self, paths: Sequence[str]) -> dict[str, Record]:
        """Return what is known of some sources, by path; many at once cost least."""
        known = {} if self.elder is None else self.elder.records_of(paths)
        for start in range(0, len(paths), LOOKUP_ROWS):
            keys = {os.fsencode(path): path for path in paths[start : start + LOOKUP_ROWS]}
            with telling("read"):
                for key, *columns in self.connection.execute(*lookup([*keys])):
                    path = keys[key]
                    known[path] = over(record(columns), known.get(path))
        return known

    def start(self, jobs: list[Job]) -> None:
        """Note, for good, that what appears at these jobs' destinations will be pixmill's own."""
        self._write([started_row(job, self._run, self._fingerprint) for job in jobs])

    def end(self, outcome: Outcome) -> None:
        """Note how a source ended, with the next batch; what was never made is not noted."""
        if outcome.status is Status.SKIPPED and outcome.reason is not SkipReason.LARGER:
            return
        self._rows.append(ended_row(outcome, self._run, self._fingerprint))
        if self._is_in_place and outcome.destination is not None:
            self._replaced.append(replaced_row(replaced_in(outcome, self._run)))
        if outcome.destination is not None:
            self._folders.add(posixpath.dirname(outcome.destination))

    def tick(self) -> None:
        """Commit what is enough for a batch, or has waited long enough.

        Raises:
            RunError: It cannot be, or copies cannot be kept.
        """
        is_due = time.monotonic() >= self._due_s or len(self._rows) >= _BATCH_ROWS
        if self._rows and is_due:
            self.flush()
        if self.copies is not None:
            self.copies.look()

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
            RunError: It cannot be, or cannot be copied.
        """
        try:
            self.flush()
        finally:
            self._forget()
        if self.copies is not None:
            self.copies.settle()

    def close(self, summary: Summary | None) -> None:
        """Commit, note how the run ended, and close."""
        if self.elder is not None:
            self.elder.close(None)
        with contextlib.closing(self.connection):
            self.settle()
            # a run that cannot note its end looks like one that was killed, which resumes as well
            if summary is not None and self._run:
                with contextlib.suppress(sqlite3.Error):
                    self._note_end(summary)
        if self.copies is not None:
            is_cut = summary is None or summary.is_interrupted or bool(summary.fatal)
            self.copies.close(is_done=not is_cut)

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
            yield os.fsdecode(path), kind, told(message), attempts

    def outputs(self) -> Iterator[tuple[str, str]]:
        """Yield every source that has several outputs and all of them, by path, with their list.

        The list is JSON, as `rows.listed` makes it.
        """
        with telling("read"):
            rows = self.connection.execute(
                "SELECT path, outputs FROM files WHERE outputs IS NOT NULL AND outcome IN (?, ?) "
                "ORDER BY path",
                (str(Status.OPTIMIZED), str(Status.KEPT)),
            )
            for path, outputs in rows:
                yield os.fsdecode(path), outputs

    def runs(self) -> list[PastRun]:
        """Return every run, the oldest first."""
        rows = self.connection.execute(
            "SELECT id, source, fingerprint, version, pid, started_s, ended_s, ending, "
            "optimized, kept, skipped, failed, bytes_read, bytes_written, is_in_place, backup, "
            "shard FROM runs ORDER BY id"
        )
        return [past_run(row) for row in rows]

    def reports(self) -> dict[Shard, str]:
        """Return the last report of each shard, as JSON, where the last run had a share of several.

        A shard whose last run has not ended, or ended without a word, has an empty one.
        """
        with telling("read"):
            runs = self.connection.execute("SELECT shard, report FROM runs ORDER BY id").fetchall()
        shards = [(WHOLE if shard is None else parse_shard(shard), text) for shard, text in runs]
        count = shards[-1][0].count if shards else 1
        return {shard: text or "" for shard, text in shards if shard.count == count > 1}

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

    def _write(self, rows: Sequence[Row], replaced: Sequence[Row] = ()) -> None:
        with telling("written"):
            self.connection.execute("BEGIN")
            try:
                self.connection.executemany(UPSERT, rows)
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
            "failed = ?, bytes_read = ?, bytes_written = ?, report = ? WHERE id = ?",
            (
                time.time(),
                ending,
                summary.optimized,
                summary.kept,
                summary.skipped,
                summary.failed,
                summary.bytes_read,
                summary.bytes_written,
                json.dumps(summary_document(summary)) if self._has_report else None,
                self._run,
            ),
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


def opened_to_read(path: Path, *, is_passing: bool = False) -> Journal | None:
    """Open a journal without changing it, `None` where there is none.

    Args:
        path: The SQLite file.
        is_passing: Whether the file may go while the journal is open. Default: no.

    Raises:
        RunError: It cannot be read, or was written by a newer pixmill.
    """
    if not path.exists():
        return None
    try:
        connection = sqlite3.connect(
            f"{path.as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        if is_passing or is_older(connection):
            with contextlib.closing(connection) as found:
                connection = sqlite3.connect(  # on disc, gone when closed
                    "", isolation_level=None, check_same_thread=False
                )
                found.backup(connection)
        migrate(connection)
    except sqlite3.Error as error:
        raise RunError(f"cannot read the journal {path}: {error}") from error
    return Journal(connection)

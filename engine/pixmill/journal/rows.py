"""What stands in the journal's rows: statements, their parameters, and what is read back.

Must not open a database nor commit.
"""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from pixmill.address import tag_digest
from pixmill.errors import RunError
from pixmill.model import Published, Status
from pixmill.registry import codec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixmill.model import Job, Outcome, Output, SourceRef

__all__ = [
    "LOOKUP_ROWS",
    "STARTED",
    "UPSERT",
    "PastRun",
    "Record",
    "Row",
    "digest_bytes",
    "ended_row",
    "listed",
    "lookup",
    "over",
    "past_run",
    "record",
    "started_row",
    "stored",
    "telling",
    "told",
]

STARTED: Final = "started"
Row: TypeAlias = tuple[object, ...]
# What a failed attempt leaves standing at the destination stays pixmill's own.
UPSERT: Final = """INSERT INTO files (path, size_bytes, mtime_ns, codec, fingerprint, outcome,
    destination, written_bytes, kind, message, attempts, run, ended_s, digest, written_digest,
    backup, number, outputs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (path) DO UPDATE SET size_bytes = excluded.size_bytes,
    mtime_ns = excluded.mtime_ns, codec = excluded.codec, fingerprint = excluded.fingerprint,
    outcome = excluded.outcome, destination = COALESCE(excluded.destination, destination),
    written_bytes = excluded.written_bytes, kind = excluded.kind, message = excluded.message,
    attempts = excluded.attempts, run = excluded.run, ended_s = excluded.ended_s,
    digest = excluded.digest, written_digest = excluded.written_digest, backup = excluded.backup,
    number = excluded.number, downs = CASE WHEN excluded.outcome = 'started'
    OR excluded.kind = 'quarantined' THEN downs ELSE 0 END,
    outputs = CASE WHEN excluded.destination IS NULL OR excluded.outcome = 'started'
    THEN outputs ELSE excluded.outputs END"""
_LOOKUP: Final = """SELECT path, size_bytes, mtime_ns, codec, fingerprint, outcome, destination,
    written_bytes, digest, written_digest, downs, outputs FROM files WHERE path IN"""
LOOKUP_ROWS: Final = 256


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
        written_digest: SHA-256 of what was published, likewise; of an object its tag's.
        downs: How many runs have ended without a word with it in their hands.
        outputs: What was published where it has several outputs, as JSON; else empty.
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
    outputs: str = ""

    @property
    def published(self) -> tuple[Published, ...]:
        """Every file that was published of it."""
        if self.outputs:
            return tuple(_published(each, self.mtime_ns) for each in json.loads(self.outputs))
        return (
            Published(self.destination, self.written_bytes, self.mtime_ns, self.written_digest),
        )

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
    shard: str = ""


def started_row(job: Job, run: int, fingerprint: str) -> Row:
    """Return the parameters of `UPSERT` for a job that is about to be sent."""
    source = job.source
    return (
        os.fsencode(source.path),
        source.size_bytes,
        source.mtime_ns,
        source.codec,
        fingerprint,
        STARTED,
        os.fsencode(job.destination),
        *(0, None, None, 0),
        run,
        time.time(),
        *(None, None),
        os.fsencode(job.backup),
        job.number,
        None,
    )


def ended_row(outcome: Outcome, run: int, fingerprint: str) -> Row:
    """Return the parameters of `UPSERT` for a source that has ended."""
    failure = outcome.failure
    return (
        os.fsencode(outcome.path),
        outcome.bytes_read,
        outcome.mtime_ns,
        outcome.codec,
        fingerprint,
        str(outcome.status),
        None if outcome.destination is None else os.fsencode(outcome.destination),
        outcome.bytes_written,
        None if failure is None else str(failure.kind),
        None if failure is None else stored(failure.message),
        outcome.attempts,
        run,
        time.time(),
        digest_bytes(outcome.digest) or None,
        digest_bytes(outcome.written_digest or tag_digest(outcome.tag)) or None,
        os.fsencode(outcome.backup),
        None,
        listed(outcome.outputs) if outcome.outputs else None,
    )


def stored(text: str) -> str | bytes:
    """Return a text as SQLite takes it: one that names what is no UTF-8 as bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def told(stored: str | bytes) -> str:
    """Return what `stored` was given."""
    return stored if isinstance(stored, str) else stored.decode("utf-8", "surrogatepass")


def lookup(keys: list[bytes]) -> tuple[str, list[bytes | None]]:
    """Return a statement that looks up all keys, and its parameters.

    Padded with NULL, which no path is, to a power of two: there are few statements to prepare.
    For 256 files one takes 2.6 us a file, looked up one by one they take 6.9.
    """
    size = 1 << (len(keys) - 1).bit_length()
    marks = ", ".join("?" * size)
    return f"{_LOOKUP} ({marks})", [*keys, *[None] * (size - len(keys))]


def record(columns: Sequence[Any]) -> Record:
    """Return what a look-up has found of a source, its path left out."""
    size_bytes, mtime_ns, codec, fingerprint, outcome, *rest = columns
    destination, written_bytes, digest, written_digest, downs, outputs = rest
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
        outputs=outputs or "",
    )


def over(record: Record, elder: Record | None) -> Record:
    """Return what is known of a source from two journals, the second being the older.

    As `UPSERT` has it: what failed before it could become a job, or was begun and never ended,
    leaves standing what stood there.
    """
    if elder is None or record.outputs:
        return record
    if record.destination and record.outcome != STARTED:
        return record
    destination = record.destination or elder.destination
    return replace(record, destination=destination, outputs=elder.outputs)


def listed(outputs: tuple[Output, ...]) -> str:
    """Return what is kept of several outputs: what a manifest says of them, as JSON in ASCII."""
    return json.dumps([_listed(each) for each in outputs], separators=(",", ":"))


def _listed(output: Output) -> dict[str, str | int]:
    known: dict[str, str | int] = {
        "path": output.path,
        "width": output.width_px,
        "height": output.height_px,
        "type": codec(output.target).media_type,
        "bytes": output.size_bytes,
    }
    digest = {"sha256": output.digest} if output.digest else {}
    return known | digest | ({"etag": output.tag} if output.tag else {})


def _published(listed: dict[str, Any], mtime_ns: int) -> Published:
    digest = listed.get("sha256") or tag_digest(listed.get("etag", ""))
    return Published(listed["path"], listed["bytes"], mtime_ns, digest)


def digest_bytes(digest: str) -> bytes:
    """Return a digest as it is kept; nothing for what is none, for it is a worker's word."""
    try:
        return bytes.fromhex(digest)
    except ValueError:
        return b""


@contextlib.contextmanager
def telling(deed: str) -> Iterator[None]:
    """Turn what sqlite3 raises into trouble of the run, and say what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise RunError(
            f"the journal cannot be {deed}: {error}; make room for it, look at its disc or name "
            f"another with --journal, then run again"
        ) from error


def past_run(row: tuple[Any, ...]) -> PastRun:
    """Return a run as its row tells it."""
    words = ("optimized", "kept", "skipped", "failed")
    return PastRun(
        number=row[0],
        source=told(row[1]),
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
        shard=row[16] or "",
    )

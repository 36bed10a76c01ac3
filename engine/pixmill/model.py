"""The frozen values that cross boundaries: between modules, processes, and into reports.

Must hold no pixels, no exception objects and no open resources: everything here is pickled.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pixmill.series import Series

__all__ = [
    "DEFAULT_CAPS",
    "Caps",
    "Failed",
    "FailureKind",
    "Job",
    "Outcome",
    "Output",
    "Published",
    "SkipReason",
    "SourceRef",
    "Stage",
    "Status",
]


class Status(StrEnum):
    """How a source ended; there is no fifth way."""

    OPTIMIZED = "optimized"
    KEPT = "kept"
    SKIPPED = "skipped"
    FAILED = "failed"


class Stage(StrEnum):
    """Where in its life a file failed."""

    WALK = "walk"
    READ = "read"
    PLAN = "plan"
    DECODE = "decode"
    PROCESS = "process"
    ENCODE = "encode"
    PUBLISH = "publish"
    VERIFY = "verify"


class FailureKind(StrEnum):
    """Why a file failed, in words stable enough to filter reports by."""

    CORRUPT = "corrupt"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too-large"
    UNREACHABLE = "unreachable"
    MEMORY = "memory"
    CRASHED = "crashed"
    TIMEOUT = "timeout"
    PERMISSION = "permission"
    VANISHED = "vanished"
    CHANGED = "changed"
    IO = "io"
    NO_SPACE = "no-space"
    EXISTS = "exists"
    COLLISION = "collision"
    REFUSED = "refused"
    SANDBOX = "sandbox"
    UNVERIFIED = "unverified"
    QUARANTINED = "quarantined"


class SkipReason(StrEnum):
    """Why a file that was met was left alone."""

    NOT_AN_IMAGE = "not-an-image"
    FORMAT = "format-not-wanted"
    HIDDEN = "hidden"
    EXCLUDED = "excluded"
    SYMLINK = "symlink"
    SPECIAL = "not-a-regular-file"
    EXISTS = "exists"
    LARGER = "larger"
    DONE = "done"
    NOT_FAILED = "not-failed"
    NO_WRITER = "no-writer"


@dataclass(frozen=True, slots=True)
class Caps:
    """How large an image may be, whatever memory there is: the guard against crafted headers.

    They refuse and never change a byte of what is published.

    Attributes:
        whole_px: Pixels, of all frames together, of an image that is decoded whole. The default
            is sharp's: the largest WebP.
        stream_px: Pixels of one that passes in strips, so that it costs time and not memory.
        frames: Frames or pages that are taken.
    """

    whole_px: int = 16_383 * 16_383
    stream_px: int = 2_000_000_000
    frames: int = 10_000


DEFAULT_CAPS = Caps()


@dataclass(frozen=True, slots=True)
class Failed:
    """One file's trouble, as a value.

    Attributes:
        kind: What went wrong.
        stage: Where.
        message: What was expected, what arrived, what to try; lower case, no full stop.
        is_retryable: Whether another attempt may succeed (busy, `EIO`, `ESTALE`, `EMFILE`).
        is_fatal: Whether no other file could be published either: the destination's trouble.
    """

    kind: FailureKind
    stage: Stage
    message: str
    is_retryable: bool = False
    is_fatal: bool = False


@dataclass(frozen=True, slots=True)
class SourceRef:
    """A source that was met, by reference.

    Attributes:
        path: Relative to the run's source root, `/`-separated, surrogate-escaped.
        size_bytes: Size when it was met.
        mtime_ns: Modification time when it was met, nanoseconds since the epoch.
        codec: Name of the codec its content was recognised as; empty for a file that is no image.
        inode: Number of the file itself, whatever its name, when it was met; 0 if unknown.
        tag: ETag of the object that it is; empty for a file.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    codec: str
    inode: int = 0
    tag: str = ""

    def __reduce__(self) -> tuple[type[SourceRef], tuple[object, ...]]:
        """Pickle by position; see `Job`."""
        return SourceRef, _SOURCE_FIELDS(self)


@dataclass(frozen=True, slots=True)
class Published:
    """A file that pixmill has published.

    Attributes:
        path: Relative to the destination root, `/`-separated.
        size_bytes: Its size.
        mtime_ns: Its modification time, nanoseconds since the epoch.
        digest: Its SHA-256, hexadecimal, where that is known; of an object its tag's; else empty.
    """

    path: str
    size_bytes: int
    mtime_ns: int
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One of several files that were published of one source.

    Attributes:
        path: Relative to the destination root; empty from a worker, which cannot choose it.
        suffix: The end of its name, with its dot.
        target: Codec it was written with.
        width_px: Its width.
        height_px: Height of one page of it.
        size_bytes: Its size; in a dry run, what it would have been.
        quality: Quality it was encoded at; `None` where none applies.
        score: What it scored, where a score was asked for.
        digest: SHA-256 of it, hexadecimal, where it was asked for; else empty.
        tag: ETag of the object that it is; empty where it is a file.
    """

    path: str = ""
    suffix: str
    target: str
    width_px: int
    height_px: int
    size_bytes: int
    quality: int | None = None
    score: float | None = None
    digest: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Job:
    """One source to be made under the run's recipe.

    Attributes:
        number: Position in the walk, from 0; names the job in every message.
        source: What to read.
        destination: Where to publish, relative to the run's destination root, `/`-separated; with
            `.*` in place of a suffix where the result decides it, and `*` in place of a width where
            there are several.
        attempt: From 1.
        crashes: How many workers have died with it in their hands.
        can_replace: Whether what stands at its destination is pixmill's own.
        backup: Where its original goes in place of which the result is put, relative to the
            backup root; empty where nothing is replaced in place, or no backup is kept.
        notes: What was noticed before the job was sent, such as a wrong suffix.
        choices: The names of which the result gets the one that has its suffix; empty where the
            destination is its name.
        former: What an earlier run has published of this source under these names; it may be gone
            or changed since.
        series: The names of its outputs where it has several, `None` where it has one.
    """

    number: int
    source: SourceRef
    destination: str
    attempt: int = 1
    crashes: int = 0
    can_replace: bool = False
    backup: str = ""
    notes: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    former: tuple[Published, ...] = ()
    series: Series | None = None

    def named(self, suffix: str) -> str:
        """Return where a result with this suffix is published."""
        return next((each for each in self.choices if each.endswith(suffix)), self.destination)

    def confirmed(self, destination: str) -> str:
        """Return what a worker says to have published, if it may have, or else what was meant."""
        return destination if destination in self.choices else self.destination

    def christened(self, outputs: tuple[Output, ...]) -> tuple[Output, ...]:
        """Return the outputs that a worker says to have published, under the names they have."""
        series = self.series
        if series is None:
            return ()
        return tuple(
            replace(each, path=series.name(each.width_px, each.suffix))
            for each in outputs
            if each.suffix in series.suffixes
        )

    def vouched(self, outcome: Outcome) -> Outcome:
        """Return what a worker says of this job, corrected where it is not the worker's to say."""
        source = self.source
        name = None if outcome.destination is None else self.confirmed(outcome.destination)
        backup = self.backup if outcome.backup else ""
        outputs = self.christened(outcome.outputs) if outcome.outputs else ()
        is_so = (
            outcome.path == source.path
            and outcome.attempts == self.attempt
            and outcome.codec == source.codec
            and outcome.bytes_read == source.size_bytes
            and outcome.mtime_ns == source.mtime_ns
            and outcome.destination == name
            and outcome.backup == backup
            and outcome.outputs == outputs
        )
        if is_so:  # as every honest worker says of a first attempt: a copy takes 5 us
            return outcome
        return replace(
            outcome,
            path=source.path,
            attempts=self.attempt,
            codec=source.codec,
            bytes_read=source.size_bytes,
            mtime_ns=source.mtime_ns,
            destination=name,
            backup=backup,
            outputs=outputs,
        )

    def __reduce__(self) -> tuple[type[Job], tuple[object, ...]]:
        """Pickle by position: every job is sent; 1.5 us and 2.7 to unpickle, 4.4 and 4.6 before."""
        return Job, _JOB_FIELDS(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How one source ended.

    Attributes:
        path: The source, relative to the source root.
        status: `optimized`, `kept`, `skipped` or `failed`.
        codec: Codec the source was recognised as, or empty.
        bytes_read: Size of the source, 0 when it was never opened.
        mtime_ns: Modification time of the source, nanoseconds since the epoch, or 0.
        destination: What was published, relative to the destination root; `None` if nothing was.
            Of several outputs the pattern of their names.
        bytes_written: Size of what was published; in a dry run, of what would have been.
        reason: Why it was skipped.
        failure: Why it failed.
        target: Codec it was written with, or empty; the first of several.
        width_px: Width of what was published, or 0; of the widest of several outputs.
        height_px: Height of one page of what was published, or 0; likewise.
        quality: Quality it was encoded at; `None` where none applies.
        score: What it scored against its pixels before encoding, on the scale of SSIMULACRA2,
            where a score was asked for; `None` where it was not, or where the source's own pixels
            were published.
        encodes: How many times pixels were encoded to find it.
        attempts: How many times it was tried.
        wall_s: Seconds a worker spent on the last attempt, waiting for memory left out.
        cpu_s: CPU seconds of the last attempt.
        is_salvaged: Whether the source is damaged and what could be decoded was published.
        digest: SHA-256 of the source, hexadecimal, where it was asked for; else empty.
        written_digest: SHA-256 of what was published, likewise.
        backup: Where the original is now, relative to the backup root; empty if it was not moved.
        notes: What the user should know: dropped frames, a wrong suffix, the content class.
        outputs: What was published where a source has several outputs, format by format, the
            narrowest first; empty where it has one, which the other fields tell of.
        tag: ETag of the object that was published; empty where it is a file, or several.
    """

    path: str
    status: Status
    codec: str = ""
    bytes_read: int = 0
    mtime_ns: int = 0
    destination: str | None = None
    bytes_written: int = 0
    reason: SkipReason | None = None
    failure: Failed | None = None
    target: str = ""
    width_px: int = 0
    height_px: int = 0
    quality: int | None = None
    score: float | None = None
    encodes: int = 0
    attempts: int = 1
    wall_s: float = 0.0
    cpu_s: float = 0.0
    is_salvaged: bool = False
    digest: str = ""
    written_digest: str = ""
    backup: str = ""
    notes: tuple[str, ...] = ()
    outputs: tuple[Output, ...] = ()
    tag: str = ""

    @classmethod
    def failed(
        cls, source: SourceRef, failure: Failed, *, attempts: int = 1, notes: tuple[str, ...] = ()
    ) -> Outcome:
        """Return the outcome of a source that failed."""
        return cls(
            path=source.path,
            status=Status.FAILED,
            codec=source.codec,
            bytes_read=source.size_bytes,
            mtime_ns=source.mtime_ns,
            failure=failure,
            attempts=attempts,
            notes=notes,
        )


_SOURCE_FIELDS: Final = attrgetter(*SourceRef.__slots__)
_JOB_FIELDS: Final = attrgetter(*Job.__slots__)

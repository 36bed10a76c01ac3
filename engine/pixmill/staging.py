"""Files on their way between a bucket and the workers, and the names under which workers know them.

Workers see numbers: keys may be longer than file names, and one key may be another's folder. What
is in `in` and `out` lives from its fetching, or making, until its outcome is recorded.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.model import Job, Outcome
    from pixmill.series import Series

__all__ = ["Cargo", "Result", "Staging"]


@dataclass(frozen=True, slots=True)
class Cargo:
    """A source that was fetched.

    Attributes:
        number: Its name in `in`.
        size_bytes: Its size.
        mtime_ns: Modification time of its file, nanoseconds since the epoch.
        attributes: Headers and user metadata that it has in its store.
    """

    number: int
    size_bytes: int
    mtime_ns: int
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """A file that was made of a source.

    Attributes:
        staged: Its name in `out`.
        name: What it is to be, relative to the destination.
        target: Codec it was written with, or empty.
    """

    staged: str
    name: str
    target: str


@dataclass(slots=True)
class Staging:
    """Where files are under way.

    Args:
        folder: Absolute path of a private folder on a local disc.
        is_source_staged: Whether sources come from a bucket.
        is_result_staged: Whether results go to one.
        held_bytes: Size of all that was fetched, or is about to be, and not let go.
        jobs: What is under way, by the paths of sources.
    """

    folder: str
    is_source_staged: bool
    is_result_staged: bool
    held_bytes: int = 0
    jobs: dict[str, Job] = field(default_factory=dict)
    _cargo: dict[str, Cargo] = field(default_factory=dict)
    _sent: dict[int, Job] = field(default_factory=dict)

    def prepare(self) -> None:
        """Make the two folders.

        Raises:
            OSError: They cannot be made.
        """
        for name in ("in", "out"):
            os.makedirs(f"{self.folder}/{name}", mode=0o700, exist_ok=True)

    def take(self, path: str, cargo: Cargo) -> None:
        """Note that a source is here; its bytes were counted when it was asked for."""
        self._cargo[path] = cargo

    def cargo(self, path: str) -> Cargo | None:
        """Return a source as it is here, `None` where it is not."""
        return self._cargo.get(path)

    def source(self, cargo: Cargo) -> str:
        """Return the absolute path of a source."""
        return f"{self.folder}/in/{cargo.number}"

    def staged(self, job: Job) -> Job:
        """Return a job as a worker is told it."""
        self._sent[job.number] = job
        cargo = self._cargo.get(job.source.path)
        if cargo is not None:
            source = replace(job.source, path=str(cargo.number), mtime_ns=cargo.mtime_ns, tag="")
            job = replace(job, source=source)
        if not self.is_result_staged:
            return job
        return replace(
            job,
            destination=_numbered(job.number, job.destination),
            choices=tuple(_numbered(job.number, each) for each in job.choices),
            former=(),
            series=job.series and _numbered_series(job.number, job.series),
        )

    def unstaged(self, number: int, outcome: Outcome) -> Outcome:
        """Return what a worker says of a job, under the names that the run knows."""
        job = self._sent.get(number)
        if job is None or outcome.destination is None or not self.is_result_staged:
            return outcome
        names = (each for each in job.choices if _numbered(number, each) == outcome.destination)
        return replace(outcome, destination=next(names, job.destination))

    def results(self, job: Job, outcome: Outcome) -> tuple[Result, ...]:
        """Return every file that was made of a source."""
        if job.series is None:
            name = outcome.destination or ""
            return (Result(_numbered(job.number, name), name, outcome.target),)
        series = _numbered_series(job.number, job.series)
        return tuple(
            Result(series.name(each.width_px, each.suffix), each.path, each.target)
            for each in outcome.outputs
        )

    def clear(self, path: str, results: tuple[str, ...] = ()) -> None:
        """Let go of a source, and of the files that were made of it."""
        cargo, job = self._cargo.pop(path, None), self.jobs.pop(path, None)
        if cargo is not None:
            self.held_bytes -= cargo.size_bytes
            _removed(self.source(cargo))
        if job is not None:
            self._sent.pop(job.number, None)
        for name in results:
            _removed(f"{self.folder}/out/{name}")


def _removed(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _numbered(number: int, name: str) -> str:
    """Return the staged name of a result; no folder, which took 4 ms to remove on a busy disc."""
    return f"{number}{posixpath.splitext(name)[1]}"


def _numbered_series(number: int, series: Series) -> Series:
    return replace(series, before=f"{number}-", after="")

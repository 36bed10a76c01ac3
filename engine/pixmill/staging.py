"""Files on their way between a bucket and the workers, and the names under which workers know them.

Workers see numbers: keys may be longer than file names, and one key may be another's folder. What
is in `in` and `out` lives from its fetching, or making, until its outcome is recorded.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.model import Job, Outcome

__all__ = ["Cargo", "Staging"]


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
            source = replace(job.source, path=str(cargo.number), mtime_ns=cargo.mtime_ns, inode=0)
            job = replace(job, source=source)
        if not self.is_result_staged:
            return job
        series = job.series
        return replace(
            job,
            destination=_below(job.number, job.destination),
            choices=tuple(_below(job.number, each) for each in job.choices),
            former=(),
            series=series and replace(series, before=_below(job.number, series.before)),
        )

    def unstaged(self, number: int, outcome: Outcome) -> Outcome:
        """Return what a worker says of a job, under the names that the run knows."""
        job = self._sent.get(number)
        if job is None or outcome.destination is None or not self.is_result_staged:
            return outcome
        name = posixpath.basename(outcome.destination)
        known = (each for each in job.choices if posixpath.basename(each) == name)
        return replace(outcome, destination=next(known, job.destination))

    def clear(self, path: str) -> None:
        """Let go of a source and of what was made of it."""
        cargo, job = self._cargo.pop(path, None), self.jobs.pop(path, None)
        if cargo is not None:
            self.held_bytes -= cargo.size_bytes
            with contextlib.suppress(OSError):
                os.unlink(self.source(cargo))
        if job is not None:
            self._sent.pop(job.number, None)
            if self.is_result_staged:
                shutil.rmtree(f"{self.folder}/out/{job.number}", ignore_errors=True)


def _below(number: int, name: str) -> str:
    return f"{number}/{posixpath.basename(name)}"

"""A node's traffic with object stores: sources ahead of its worker, results before they count.

Beside the worker of a task is a ferry, which alone speaks to stores, with what this node's own
environment gives access by; between the two are files in a folder that goes with them. What is here
at a time is bounded in number and in bytes. Must not decide what becomes of a file that fails.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from pixmill.address import ObjectFacts
from pixmill.errors import RunError
from pixmill.executors.ferry import Ferry
from pixmill.executors.scratch import Scratch
from pixmill.freight import Contact, Delivered, Fetch, Fetched
from pixmill.model import Outcome
from pixmill.outgoing import Outgoing
from pixmill.protocol import JobEnded, Remark
from pixmill.staging import Cargo, Staging

if TYPE_CHECKING:
    from pixmill.freight import Request, Voyage
    from pixmill.model import Job
    from pixmill.protocol import Setup

__all__ = ["FerryLostError", "Overland", "Quay", "StoreLostError", "Traffic"]

_LIMIT_BYTES: Final = 32_000_000
"""What may be here of sources, and of results; one that is larger comes alone."""
_AHEAD_JOBS: Final = 32
_BATCH_JOBS: Final = 8
"""Given to the worker at a time, so that little is made that cannot be put yet."""
_PATIENCE_S: Final = 0.2
_BUSY_S: Final = 0.005
"""How long the ferry may have to wait to be heard, while it is about something."""


class FerryLostError(Exception):
    """Say that the ferry has ended, and nobody knows what it was about."""


class StoreLostError(Exception):
    """Say that a store has not answered this node for as long as it is waited for."""


class Traffic(Protocol):
    """How sources come to a worker, and results away from it, one chunk at a time."""

    def setup(self, setup: Setup) -> Setup:
        """Return what the worker must know, with the folders that are meant here."""

    def expect(self, jobs: tuple[Job, ...]) -> None:
        """Begin a chunk.

        Raises:
            FerryLostError: The ferry does not start.
        """

    def here(self) -> tuple[Job, ...]:
        """Return the next jobs that can be made, as the worker is told them."""

    def take(self, report: JobEnded) -> None:
        """Take over what the worker has made of a job."""

    def told(self) -> list[JobEnded]:
        """Return how jobs have ended, in order, each once its results are in their places.

        Raises:
            OptionError: A store cannot be opened as the run says.
            FerryLostError: It cannot go on.
            StoreLostError: A store has not answered for long.
        """

    @property
    def is_settled(self) -> bool:
        """Whether all that was taken over is in its place."""

    @property
    def patience_s(self) -> float:
        """How long it can go without being asked for news."""

    def remarks(self) -> list[Remark]:
        """Return, once, what the user should know."""

    def drop(self) -> None:
        """End a chunk, and leave nothing of it here; the worker must not be at it any more."""

    def close(self) -> None:
        """Leave nothing here."""


@dataclass(slots=True)
class Overland:
    """Traffic where every file lies on a file system that this node shares."""

    is_settled: bool = True
    patience_s: float = _PATIENCE_S
    _jobs: tuple[Job, ...] = ()
    _told: list[JobEnded] = field(default_factory=list)

    def setup(self, setup: Setup) -> Setup:
        """Return what the worker must know, unchanged."""
        return setup

    def expect(self, jobs: tuple[Job, ...]) -> None:
        """Begin a chunk."""
        self._jobs = jobs

    def here(self) -> tuple[Job, ...]:
        """Return all jobs, once."""
        jobs, self._jobs = self._jobs, ()
        return jobs

    def take(self, report: JobEnded) -> None:
        """Take over what has ended."""
        self._told.append(report)

    def told(self) -> list[JobEnded]:
        """Return what has ended."""
        told, self._told = self._told, []
        return told

    def remarks(self) -> list[Remark]:
        """Return nothing: nobody is beside the worker."""
        return []

    def drop(self) -> None:
        """Forget the chunk."""
        self._jobs, self._told = (), []

    def close(self) -> None:
        """Have nothing here."""


@dataclass(slots=True)
class _Chunk:
    """What a task is about.

    Attributes:
        line: Jobs whose ends were not told, in order.
        unasked: Of these, those whose sources were not asked for.
        unmade: Those that the worker was not given.
        fetching: Those whose sources are on their way, by request.
        made: What the worker has told of those whose results are on their way, by source.
        ended: How those have ended that must wait for earlier ones, by number.
    """

    line: deque[Job] = field(default_factory=deque)
    unasked: deque[Job] = field(default_factory=deque)
    unmade: deque[Job] = field(default_factory=deque)
    fetching: dict[int, Job] = field(default_factory=dict)
    made: dict[str, JobEnded] = field(default_factory=dict)
    ended: dict[int, JobEnded] = field(default_factory=dict)


@dataclass(slots=True)
class Quay:
    """Traffic through a ferry of this node.

    Args:
        voyage: What the ferry must know, but for the folder.

    Raises:
        RunError: There is no folder to be had.
    """

    voyage: Voyage
    _scratch: Scratch = field(init=False)
    _ferry: Ferry = field(init=False)
    _staging: Staging = field(init=False)
    _outgoing: Outgoing = field(init=False)
    _chunk: _Chunk = field(default_factory=_Chunk)
    _contacts: list[Contact] = field(default_factory=list)
    _fetches: int = 0

    def __post_init__(self) -> None:
        """Make the folder, after removing those of tasks that were killed."""
        self._scratch = Scratch.made()
        self.voyage = replace(self.voyage, staging=self._scratch.path)
        self._launch()

    def setup(self, setup: Setup) -> Setup:
        """Return what the worker must know, with this node's folders in place of the run's."""
        if self._staging.is_source_staged:
            setup = replace(setup, source_root=f"{self._scratch.path}/in", readable="")
        if self._staging.is_result_staged:
            setup = replace(setup, destination_root=f"{self._scratch.path}/out")
        return setup

    def expect(self, jobs: tuple[Job, ...]) -> None:
        """Begin a chunk: have its first sources come."""
        self._staging.jobs |= {job.source.path: job for job in jobs}
        self._chunk = _Chunk(deque(jobs), unmade=deque(jobs))
        if self._staging.is_source_staged:
            self._chunk.unasked.extend(jobs)
        self._fetch()

    def here(self) -> tuple[Job, ...]:
        """Return the next few jobs whose sources are here, unless many results wait to be put."""
        jobs: list[Job] = []
        unmade = self._chunk.unmade
        while unmade and len(jobs) < _BATCH_JOBS and not self._outgoing.is_full:
            if not self._is_here(unmade[0]):
                break
            jobs.append(self._staging.staged(unmade.popleft()))
        return tuple(jobs)

    def take(self, report: JobEnded) -> None:
        """Have put what the worker has made of a job."""
        job = next(job for job in self._chunk.line if job.number == report.number)
        outcome = job.vouched(self._staging.unstaged(job.number, report.outcome))
        self._chunk.made[outcome.path] = report
        if not self._outgoing.takes(outcome):
            self._end(outcome)

    def told(self) -> list[JobEnded]:
        """Hear the ferry, and return how jobs have ended."""
        self._hear()
        self._fetch()
        told = []
        line, ended = self._chunk.line, self._chunk.ended
        while line and line[0].number in ended:
            told.append(ended.pop(line.popleft().number))
        return told

    @property
    def is_settled(self) -> bool:
        """Whether every result that was taken over has been put."""
        return self._outgoing.is_empty

    @property
    def patience_s(self) -> float:
        """How long it can go without being heard."""
        is_busy = self._chunk.fetching or not self._outgoing.is_empty
        return _BUSY_S if is_busy else _PATIENCE_S

    def remarks(self) -> list[Remark]:
        """Return what became of ferries, and of stores."""
        node = os.uname().nodename
        remarks = [Remark(f"{text} on the node {node}") for text in self._ferry.remarks]
        remarks += (
            Remark(each.words, is_outage=each.is_lost or each.is_slow) for each in self._contacts
        )
        self._ferry.remarks.clear()
        self._contacts.clear()
        return remarks

    def drop(self) -> None:
        """End a chunk: what is under way is given up, and what is left of files removed."""
        if self._chunk.line:
            self._ferry.close()
            self._launch()
        self._chunk = _Chunk()

    def close(self) -> None:
        """End the ferry and remove the folder."""
        self._ferry.close()
        self._scratch.close()

    def _launch(self) -> None:
        """Have empty folders, and a ferry, which starts with the first that it is asked."""
        path = self._scratch.path
        self._staging = Staging(
            path,
            is_source_staged=self.voyage.source is not None,
            is_result_staged=self.voyage.destination is not None,
        )
        try:
            self._staging.prepare()
            for name in ("in", "out"):
                for left in Path(path, name).iterdir():
                    left.unlink()
        except OSError as error:
            raise RunError(f"no folder for objects under way: {error.strerror or error}") from error
        self._ferry = Ferry(self.voyage)
        self._outgoing = Outgoing(self._staging, self.voyage.settings, self._send, _LIMIT_BYTES)

    def _send(self, request: Request) -> None:
        try:
            self._ferry.send(request)
        except RunError as error:
            raise FerryLostError(str(error)) from error

    def _hear(self) -> None:
        try:
            replies = self._ferry.heard()
        except RunError as error:
            raise FerryLostError("the end of the process that speaks to object stores") from error
        for reply in replies:
            if isinstance(reply, Contact):
                if reply.is_over:
                    raise StoreLostError(reply.words)
                self._contacts.append(reply)
            elif isinstance(reply, Fetched):
                self._arrived(reply)
            elif isinstance(reply, Delivered):
                self._outgoing.hear(reply)
        for outcome in self._outgoing.landed():
            self._end(outcome)

    def _fetch(self) -> None:
        """Ask for sources, in order, as far as there is room; the first has it in any case."""
        line, unasked = self._chunk.line, self._chunk.unasked
        while unasked and len(line) - len(unasked) < _AHEAD_JOBS:
            source = unasked[0].source
            held_bytes = self._staging.held_bytes + source.size_bytes
            if held_bytes > _LIMIT_BYTES and len(line) > len(unasked):
                return
            self._fetches += 1
            self._chunk.fetching[self._fetches] = unasked.popleft()
            self._staging.held_bytes = held_bytes
            facts = ObjectFacts(source.path, source.size_bytes, source.mtime_ns, source.tag)
            self._send(Fetch(self._fetches, facts))

    def _arrived(self, reply: Fetched) -> None:
        job = self._chunk.fetching.pop(reply.number)
        source = job.source
        if reply.failure is None:
            cargo = Cargo(reply.number, source.size_bytes, reply.mtime_ns, reply.attributes)
            self._staging.take(source.path, cargo)
            return
        self._staging.held_bytes -= source.size_bytes
        self._staging.clear(source.path)
        self._chunk.unmade.remove(job)
        failed = Outcome.failed(source, reply.failure, attempts=job.attempt, notes=job.notes)
        self._chunk.ended[job.number] = JobEnded(0, job.number, failed)

    def _is_here(self, job: Job) -> bool:
        is_fetched = self._staging.cargo(job.source.path) is not None
        return is_fetched or not self._staging.is_source_staged

    def _end(self, outcome: Outcome) -> None:
        report = replace(self._chunk.made.pop(outcome.path), outcome=outcome)
        self._chunk.ended[report.number] = report

"""What a node of a cluster does with a chunk: has the local run's own worker make it, and tells.

Runs inside a task of the cluster, whose process keeps the worker, sandboxed and in a process of its
own, for the chunks that follow. A grant is given on the spot where the memory was set aside with
the task; the time of a file is taken here. Must not decide what becomes of a file that fails.
"""

from __future__ import annotations

import os
import time
from collections import deque
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from pixmill.errors import RunError
from pixmill.executors.local import LocalExecutor
from pixmill.protocol import (
    CostKnown,
    Grant,
    JobEnded,
    KillWorker,
    Send,
    StartWorker,
    WorkerLost,
    WorkerReady,
)
from pixmill.storage.drafts import is_beacon_lit

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from pixmill.executors.base import Report
    from pixmill.model import Job
    from pixmill.protocol import Setup

__all__ = ["Brief", "UnfitError", "chunk_made", "makers"]

_TELL_S: Final = 1.0
"""Longest silence of an outpost that lives; a report costs the coordinator's side 1 ms."""
_MOST_REPORTS: Final = 64
"""Told at a time, at some 250 bytes each: what has 100 kB or more Ray leaves on the node, to be
fetched from there; and where that node stands still by then, whoever fetches does too."""
_WAIT_S: Final = 0.2
_START_TIMEOUT_S: Final = 60.0
_END_TIMEOUT_S: Final = 5.0
_MAKERS: Final = (
    *("pixmill", "pyvips", "pyvips-binary", "pillow", "pi-heif", "pyoxipng"),
    *("pillow-heif", "pylibjxl", "imagecodecs"),
)


class UnfitError(Exception):
    """Say that a node cannot take part: it would make other bytes, or put them elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """What every node is told of a run.

    Attributes:
        setup: What a worker must know.
        makers: What `makers` says where the coordinator is.
        beacon: A file that the coordinator holds in the output; empty where nothing is written.
        resident_bytes: Resident memory above which a worker is replaced between chunks.
    """

    setup: Setup
    makers: str
    beacon: str
    resident_bytes: int


@cache
def makers() -> str:
    """Return what decides the bytes of a result, with versions; other makers make other bytes."""
    return ", ".join(filter(None, map(_versioned, _MAKERS)))


def chunk_made(
    brief: Brief, jobs: tuple[Job, ...], grant_bytes: int
) -> Generator[tuple[Report, ...]]:
    """Make jobs in order, and yield what the worker says at least once a second.

    The slot in every report is 0. The last one is a `CostKnown` where a job needs more memory than
    was set aside, or a `WorkerLost`; what comes after that job is not made.

    Raises:
        UnfitError: This node cannot take part in the run.
    """
    _check(brief)
    outpost = _Outpost.at_hand(brief)
    try:
        yield from _gathered(outpost.reports(jobs, grant_bytes))
    finally:  # the end of a task that was recalled, too
        outpost.rest()


def _check(brief: Brief) -> None:
    """Refuse to work where results would differ, or nobody would find them."""
    here, name = makers(), os.uname().nodename
    if here != brief.makers:
        raise UnfitError(
            f"the node {name} has {here}, and this machine {brief.makers}: install the same "
            f"versions on all"
        )
    for root in (brief.setup.source_root, os.path.dirname(brief.beacon)):  # noqa: PTH120 - see `Root`
        if root and not os.path.isdir(root):  # noqa: PTH112 - likewise
            raise UnfitError(
                f"the node {name} sees no {root}: input and output must be on a file system that "
                f"every node has under the same path"
            )
    if brief.beacon and not is_beacon_lit(brief.beacon):
        raise UnfitError(
            f"the node {name} has another {brief.setup.destination_root} than this machine, or "
            f"its locks are not shared: name an output on a file system that all nodes share"
        )


@dataclass(slots=True)
class _Outpost:
    """The worker of this process.

    Args:
        brief: The run that it belongs to.
    """

    brief: Brief
    executor: LocalExecutor = field(init=False)
    is_manned: bool = False
    is_busy: bool = False
    _has_worker: bool = False
    _due_s: float = 0.0

    def __post_init__(self) -> None:
        """Make an executor of one slot."""
        self.executor = LocalExecutor(self.brief.setup)

    @classmethod
    def at_hand(cls, brief: Brief) -> _Outpost:
        """Return the one that this process keeps; that of another run is ended."""
        if _kept and _kept[0].brief != brief:
            _kept.pop().executor.close()
        if not _kept:
            _kept.append(cls(brief))
        return _kept[0]

    def reports(self, jobs: tuple[Job, ...], grant_bytes: int) -> Iterator[Report | None]:
        """Yield what the worker says, and `None` whenever it says nothing for a while."""
        if jobs[0].crashes:
            self._dismiss()
        if not self.is_manned:
            try:
                yield from self._manned()
            except RunError as error:
                yield WorkerLost(0, None, str(error))
            if not self.is_manned:
                return
        self.is_busy = True
        self.executor.deliver(Send(0, jobs))
        yield from self._made(deque(job.number for job in jobs), grant_bytes)

    def rest(self) -> None:
        """Leave nothing at work."""
        if self.is_busy:
            self._dismiss()

    def _manned(self) -> Iterator[Report | None]:
        self.executor.deliver(StartWorker(0))
        self._has_worker = True
        deadline_s = time.monotonic() + _START_TIMEOUT_S
        while not self.is_manned:
            for report in self.executor.wait(_WAIT_S):
                if isinstance(report, WorkerLost):
                    self._has_worker = False
                    yield report
                    return
                self.is_manned = isinstance(report, WorkerReady)
                yield report
            if time.monotonic() > deadline_s:
                self._dismiss()
                yield WorkerLost(0, None, f"silence of {_START_TIMEOUT_S:g} s at its start")
                return
            yield None

    def _made(self, left: deque[int], grant_bytes: int) -> Iterator[Report | None]:
        """Hear the worker out; it has the time of one file from each that it has ended."""
        self._wind_up()
        overdue: int | None = None
        while left:
            for report in self.executor.wait(_WAIT_S):
                match report:
                    case CostKnown() if report.cost_bytes > grant_bytes:
                        yield report
                        return
                    case CostKnown():
                        self.executor.deliver(Grant(0, report.number))
                        self._wind_up()
                    case JobEnded():
                        left.popleft()
                        self._wind_up()
                        self.is_busy = bool(left) or self._is_bloated(report)
                        yield report
                    case WorkerLost():
                        self._has_worker = self.is_manned = self.is_busy = False
                        yield _blamed(report, overdue)
                        return
                    case _:
                        yield report
            if left and overdue is None and time.monotonic() > self._due_s:
                overdue = left[0]
                self.executor.deliver(KillWorker(0, "it took too long"))
            yield None

    def _wind_up(self) -> None:
        self._due_s = time.monotonic() + self.brief.setup.timeout_s

    def _is_bloated(self, report: JobEnded) -> bool:
        return report.resident_bytes > self.brief.resident_bytes

    def _dismiss(self) -> None:
        """End the worker, whatever it does."""
        self.executor.deliver(KillWorker(0, "it is not needed"))
        deadline_s = time.monotonic() + _END_TIMEOUT_S
        while self._has_worker and time.monotonic() < deadline_s:
            reports = self.executor.wait(_WAIT_S)
            self._has_worker = not any(isinstance(report, WorkerLost) for report in reports)
        self.is_manned = self.is_busy = False


_kept: Final[list[_Outpost]] = []
"""The outpost of this process, once there is one."""


def _gathered(reports: Iterable[Report | None]) -> Iterator[tuple[Report, ...]]:
    """Yield reports together, once a second at least and at their end."""
    said: list[Report] = []
    due_s = time.monotonic() + _TELL_S
    for report in reports:
        if report is not None:
            said.append(report)
        if time.monotonic() >= due_s or len(said) >= _MOST_REPORTS:
            yield tuple(said)
            said, due_s = [], time.monotonic() + _TELL_S
    yield tuple(said)


def _blamed(report: WorkerLost, overdue: int | None) -> WorkerLost:
    """Return a loss that blames no other file than the one for whose sake the worker was killed."""
    if overdue is None:
        return report
    is_overdue = report.in_hand == overdue
    return replace(report, in_hand=overdue if is_overdue else None, is_overdue=is_overdue)


def _versioned(name: str) -> str:
    try:
        return f"{name} {version(name)}"
    except PackageNotFoundError:
        return ""

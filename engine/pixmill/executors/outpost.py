"""What a node of a cluster does with a chunk: has the local run's own worker make it, and tells.

Runs inside a task of the cluster, whose process keeps the worker, sandboxed and in a process of its
own, for the chunks that follow. A grant is given on the spot where the memory was set aside with
the task; the time of a file is taken here. Objects come and go over a `Quay`. Must not decide what
becomes of a file that fails.
"""

from __future__ import annotations

import os
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Final

from pixmill.errors import OptionError, RunError
from pixmill.executors.local import LocalExecutor
from pixmill.executors.quay import Overland, Quay
from pixmill.extras import OBSTORE, how_to_install, is_installed
from pixmill.protocol import (
    CostKnown,
    Grant,
    JobEnded,
    KillWorker,
    Remark,
    Send,
    StartWorker,
    WorkerLost,
    WorkerReady,
)
from pixmill.sizing import AFIELD_BYTES
from pixmill.storage.drafts import is_beacon_lit

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from pixmill.executors.base import Report
    from pixmill.executors.quay import Traffic
    from pixmill.freight import Voyage
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
        beacon: A file that the coordinator holds in the output; empty where nothing is written to
            a file system.
        resident_bytes: Resident memory above which a worker is replaced between chunks.
        afield_bytes: What is set aside for a worker beside its image.
        voyage: What a ferry must know; `None` where both ends are on a file system.
    """

    setup: Setup
    makers: str
    beacon: str
    resident_bytes: int
    afield_bytes: int = AFIELD_BYTES
    voyage: Voyage | None = None


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
        FerryLostError: Who speaks to object stores has ended in the midst of it.
    """
    _check(brief)
    with _fit():
        outpost = _Outpost.at_hand(brief)
        try:
            yield from _gathered(outpost.reports(jobs, grant_bytes))
        finally:  # the end of a task that was recalled, too
            outpost.rest()


@contextmanager
def _fit() -> Iterator[None]:
    """Have what would be the end of a local run be that of this node's part."""
    try:
        yield
    except (OptionError, RunError) as error:
        raise UnfitError(f"the node {os.uname().nodename} is in trouble: {error}") from None


def _check(brief: Brief) -> None:
    """Refuse to work where results would differ, or nobody would find them."""
    here, name = makers(), os.uname().nodename
    if here != brief.makers:
        raise UnfitError(
            f"the node {name} has {here}, and this machine {brief.makers}: install the same "
            f"versions on all"
        )
    if brief.voyage is not None and not is_installed(OBSTORE):
        raise UnfitError(f"the node {name} has no obstore: {how_to_install(OBSTORE)}")
    is_shared = brief.voyage is None or brief.voyage.source is None
    source = brief.setup.source_root if is_shared else ""
    for root in (source, os.path.dirname(brief.beacon)):  # noqa: PTH120 - see `Root`
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
class _Pass:
    """One pass of a worker over a chunk.

    Attributes:
        grant_bytes: What was set aside for each job.
        hand: Numbers of what the worker was given and has not ended.
        last: What ended the pass before the chunk was made.
        overdue: Number of the job for whose sake the worker was killed.
    """

    grant_bytes: int
    hand: deque[int] = field(default_factory=deque)
    last: CostKnown | WorkerLost | None = None
    overdue: int | None = None

    def end(self, last: CostKnown | WorkerLost) -> None:
        """Have the worker do no more."""
        self.last = self.last or last
        self.hand.clear()


@dataclass(slots=True)
class _Outpost:
    """The worker of this process.

    Args:
        brief: The run that it belongs to.
    """

    brief: Brief
    traffic: Traffic = field(init=False)
    executor: LocalExecutor = field(init=False)
    is_manned: bool = False
    is_busy: bool = False
    _has_worker: bool = False
    _due_s: float = 0.0

    def __post_init__(self) -> None:
        """Make an executor of one slot."""
        voyage = self.brief.voyage
        self.traffic = Overland() if voyage is None else Quay(voyage)
        self.executor = LocalExecutor(self.traffic.setup(self.brief.setup))

    @classmethod
    def at_hand(cls, brief: Brief) -> _Outpost:
        """Return the one that this process keeps; that of another run is ended."""
        if _kept and _kept[0].brief != brief:
            _kept.pop().close()
        if not _kept:
            _kept.append(cls(brief))
        return _kept[0]

    def reports(self, jobs: tuple[Job, ...], grant_bytes: int) -> Iterator[Report | None]:
        """Yield what the worker says, and `None` whenever it says nothing for a while."""
        self.traffic.expect(jobs)
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
        yield from self._made(len(jobs), grant_bytes)

    def rest(self) -> None:
        """Leave nothing at work."""
        if self.is_busy:
            self._dismiss()
        self.traffic.drop()

    def close(self) -> None:
        """Leave nothing here."""
        self.executor.close()
        self.traffic.close()

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

    def _made(self, left: int, grant_bytes: int) -> Iterator[Report | None]:
        """Hear the worker out; what ends the chunk comes after all that was made before it."""
        pass_ = _Pass(grant_bytes)
        while True:
            told = self.traffic.told()
            yield from map(Remark, self.traffic.remarks())
            for ended in told:
                left -= 1
                self.is_busy = bool(left) or self._is_bloated(ended)
                yield ended
            if not left:
                return
            if pass_.last is not None and self.traffic.is_settled:
                self.rest()  # before what may end the run, and with it this process, without a word
                yield pass_.last
                return
            self._feed(pass_)
            for report in self.executor.wait(self.traffic.patience_s):
                if (passed_on := self._heard(pass_, report)) is not None:
                    yield passed_on
            self._end_overdue(pass_)
            yield None

    def _feed(self, pass_: _Pass) -> None:
        """Give the worker what is here, once it has nothing in hand."""
        if not (pass_.hand or pass_.last) and (jobs := self.traffic.here()):
            pass_.hand.extend(job.number for job in jobs)
            self.executor.deliver(Send(0, jobs))
            self._wind_up()

    def _heard(self, pass_: _Pass, report: Report) -> Report | None:
        """Take in what the worker says, and return what is to be told at once."""
        match report:
            case CostKnown() if report.cost_bytes > pass_.grant_bytes:
                pass_.end(report)
            case CostKnown():
                self.executor.deliver(Grant(0, report.number))
                self._wind_up()
            case JobEnded() if [report.number] == list(pass_.hand)[:1]:
                pass_.hand.popleft()
                self._wind_up()
                self.traffic.take(report)
            case JobEnded():
                pass  # as the dispatcher does: no worker of ours says that
            case WorkerLost():
                self._has_worker = self.is_manned = False
                pass_.end(_blamed(report, pass_.overdue))
            case _:
                return report
        return None

    def _end_overdue(self, pass_: _Pass) -> None:
        """End the worker where the file in hand has had its time, counted from that before it."""
        if pass_.hand and pass_.overdue is None and time.monotonic() > self._due_s:
            pass_.overdue = pass_.hand[0]
            self.executor.deliver(KillWorker(0, "it took too long"))

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

"""Wait, event, command: drives one run from the walk to the summary, in the caller's thread.

Decides nothing: `dispatch` does. Never loads pyvips, so that no codec can take a run down.
"""

from __future__ import annotations

import posixpath
import random
import time
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from pixmill.dispatch import Dispatcher
from pixmill.errors import OptionError, RunError
from pixmill.freight import PAUSE
from pixmill.model import Job
from pixmill.protocol import (
    Advanced,
    Defer,
    Finish,
    GiveUp,
    Grant,
    JobFound,
    KillWorker,
    PullMore,
    Record,
    Remark,
    RetireWorker,
    Send,
    SourceFailed,
    StartWorker,
    StopAsked,
    StopMode,
    Tick,
    WalkEnded,
    WorkerLost,
    WorkerReady,
)
from pixmill.reporting import UnderWay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.collector import Collector
    from pixmill.executors.base import Executor
    from pixmill.freight import Pause
    from pixmill.model import Outcome
    from pixmill.places import Places
    from pixmill.protocol import Command, Event
    from pixmill.reporting import Summary
    from pixmill.rules import Rules
    from pixmill.shipping import Shipping

__all__ = ["Coordinator"]

_PULL_FILES = 128
_PULL_S = 0.02
_WAIT_S = 0.2
_SHIPPING_S = 0.005
"""How long the ferry may have to wait to be heard, while it is about something."""


@dataclass(slots=True)
class Coordinator:
    """One run.

    Args:
        found: The walk: jobs, and outcomes of what is no job.
        rules: What is fixed for the dispatcher.
        executor: Who runs workers.
        collector: Where outcomes go.
        destination: Where results go; swept where a worker died while publishing.
        is_dry_run: Whether nothing is published.
        shipping: The traffic with object stores, where there is any.
    """

    found: Iterator[Job | Outcome | Pause]
    rules: Rules
    executor: Executor
    collector: Collector
    destination: Places
    is_dry_run: bool = False
    shipping: Shipping | None = None
    fatal: str = ""
    is_interrupted: bool = False
    _dispatcher: Dispatcher = field(init=False)
    _recorded: deque[Outcome] = field(default_factory=deque)
    _wanted: int = 0
    _stop: StopMode | None = None
    _advances: dict[int, Advanced] = field(default_factory=dict)
    _strewn: set[str] = field(default_factory=set)
    _has_told_gaps: bool = False
    _has_ended: bool = False
    _is_aborted: bool = False

    def __post_init__(self) -> None:
        """Make the brain."""
        self._dispatcher = Dispatcher(self.rules, random.Random())  # noqa: S311 - jitter

    def stop(self, mode: StopMode) -> None:
        """Ask the run to stop; may be called from a signal handler."""
        self._stop = mode
        self.is_interrupted = True

    def outcomes(self) -> Iterator[Outcome]:
        """Run, yielding every outcome as it is recorded; closing the iterator aborts the run."""
        try:
            self._handle(Tick())
            while not (self._has_ended or self._is_done):
                self._turn()
                while self._recorded and not self._has_ended:
                    yield self._recorded.popleft()
            while self._recorded and not self._has_ended:
                yield self._recorded.popleft()
        finally:
            self.end()

    def end(self) -> None:
        """End every worker and remove what it may have left half-written; may be called twice."""
        self._has_ended = True
        slots = range(self.rules.slots)
        held = tuple(job for slot in slots for job in self._dispatcher.jobs_of(slot))
        self.executor.close()
        if self.shipping is not None:
            self.shipping.close()
        self._sweep(_folders(held) | self._strewn)
        self.destination.sweep_again()
        if not self._dispatcher.is_finished:
            self.is_interrupted = True

    def summary(self) -> Summary:
        """Close the books; to be called once the run has ended."""
        with self._giving_up():
            self.collector.settle()
        return self.collector.summary(is_interrupted=self.is_interrupted, fatal=self.fatal)

    @property
    def _is_done(self) -> bool:
        """Whether all was done and every result is in its place, unless nobody waits for that."""
        shipping, is_stopped = self.shipping, bool(self.fatal) or self.is_interrupted
        is_landed = (
            shipping is None
            or shipping.is_empty
            or self._is_aborted
            or (is_stopped and shipping.is_adrift)
        )
        return self._dispatcher.is_finished and is_landed

    def _turn(self) -> None:
        """Hear the workers, pull from the walk, look at the clock."""
        if self._stop is not None:
            mode, self._stop, self._wanted = self._stop, None, 0
            self._is_aborted = mode is StopMode.ABORT
            self._handle(StopAsked(mode))
        for report in self.executor.wait(self._patience_s()):
            if isinstance(report, Advanced):
                self._advances[report.slot] = report
                continue
            if isinstance(report, Remark):
                self._note_remark(report)
                continue
            if isinstance(report, WorkerLost):
                self._note_loss(report)
            elif isinstance(report, WorkerReady) and report.gaps and not self._has_told_gaps:
                self._has_told_gaps = True
                self.collector.reporter.noticed(f"workers are not wholly confined: {report.gaps}")
            self._handle(report)
        if self.shipping is not None:
            with self._giving_up():
                self._land(self.shipping)
        with self._giving_up():
            self._pull()
        self._handle(Tick())
        with self._giving_up():
            self.collector.tick(self._dispatcher.in_hand, self._under_way())

    def _under_way(self) -> tuple[UnderWay, ...]:
        """Return how far slow files have got, and forget what was told of others than in hand."""
        heads = {slot: self._dispatcher.jobs_of(slot)[:1] for slot in self._advances}
        for slot, jobs in heads.items():
            if [job.number for job in jobs] != [self._advances[slot].number]:
                del self._advances[slot]
        return tuple(
            UnderWay(heads[slot][0].source.path, told.percent / 100)
            for slot, told in sorted(self._advances.items())
        )

    def _land(self, shipping: Shipping) -> None:
        """Record what is in its place by now, and tell of stores that do not answer."""
        try:
            landed = shipping.landed()
        except OptionError as error:
            self.fatal = str(error)
            raise
        for words in shipping.news():
            self.collector.reporter.noticed(words)
        for outcome in landed:
            self._recorded.append(self.collector.record(outcome))
            if outcome.failure is not None and outcome.failure.is_fatal:
                raise RunError(f"{outcome.path}: {outcome.failure.message}")

    def _patience_s(self) -> float:
        shipping = self.shipping
        if shipping is not None and not (shipping.is_empty and self._wanted == 0):
            return _WAIT_S if shipping.is_cut_off else _SHIPPING_S
        if self._wanted:
            return 0.0
        due_s = self._dispatcher.next_due_s
        return _WAIT_S if due_s is None else min(_WAIT_S, max(0.0, due_s - time.monotonic()))

    def _pull(self) -> None:
        """Take a slice of the walk, so that workers are heard in between.

        Half of what may be pending where that is quick: the journal notes each slice for good, and
        with 32 files a slice that took 5 us of CPU more a file, and four times the flushes.
        """
        if self.shipping is not None and self.shipping.is_full:
            return
        jobs: list[Job] = []
        has_ended = False
        until_s = time.monotonic() + _PULL_S
        for _ in range(_PULL_FILES):
            if len(jobs) >= self._wanted or has_ended or time.monotonic() > until_s:
                break
            found = next(self.found, None)
            if found is PAUSE:
                break
            if found is None:
                has_ended = True
            elif isinstance(found, Job):
                jobs.append(found)
            else:
                self._pass(found)
        if jobs and self.collector.journal is not None:
            self.collector.journal.start(jobs)
        self._wanted -= len(jobs)
        for job in jobs:
            self._handle(JobFound(job))
        if has_ended:
            self._wanted = 0
            self._handle(WalkEnded())

    def _pass(self, outcome: Outcome) -> None:
        """Take in what the walk met that is no job."""
        if outcome.failure is not None:
            self._handle(SourceFailed(outcome))
        else:
            self._record(outcome)

    def _handle(self, event: Event) -> None:
        for command in self._dispatcher.handle(event, time.monotonic()):
            try:
                self._obey(command)
            except RunError as error:
                self._drain(error)

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        """End the run in good order where it is in trouble itself: what is in hand is finished."""
        try:
            yield
        except RunError as error:
            self._drain(error)

    def _drain(self, error: RunError) -> None:
        self._give_up(str(error))
        self._stop = self._stop or StopMode.DRAIN

    def _give_up(self, reason: str) -> None:
        self._wanted = 0
        if not self.fatal:
            self.fatal = reason
            self.collector.reporter.noticed(f"the run cannot go on: {reason}")

    def _obey(self, command: Command) -> None:
        match command:
            case PullMore(count):
                self._wanted += count
            case Record(outcome):
                self._record(outcome)
            case StartWorker() | Send() | Grant() | Defer() | RetireWorker() | KillWorker():
                self.executor.deliver(command)
            case GiveUp(reason):
                self._give_up(reason)
            case Finish():
                self._wanted = 0
            case _:
                assert_never(command)

    def _record(self, outcome: Outcome) -> None:
        if self.shipping is not None and self.shipping.takes(outcome):
            return
        self._recorded.append(self.collector.record(outcome))

    def _note_loss(self, report: WorkerLost) -> None:
        """Remove what a dead worker may have left half-written, and say that it died."""
        jobs = self._dispatcher.jobs_of(report.slot)
        if not jobs:
            return
        hand = next((job.source.path for job in jobs if job.number == report.in_hand), "")
        between = f"with {hand} in its hands" if hand else "between two files"
        self.collector.reporter.noticed(f"a worker ended by {report.reason} {between}")
        self._sweep(_folders(jobs))

    def _note_remark(self, report: Remark) -> None:
        """Tell it, and remember where something half-written may be left on another machine."""
        self.collector.reporter.noticed(report.text)
        if report.slot is not None:
            self._strewn |= _folders(self._dispatcher.jobs_of(report.slot))

    def _sweep(self, folders: set[str]) -> None:
        if not self.is_dry_run:
            for folder in folders:
                self.destination.sweep(folder)


def _folders(jobs: tuple[Job, ...]) -> set[str]:
    return {posixpath.dirname(job.destination) for job in jobs}

"""Where outcomes arrive: statistics, journal, reporters, and the memory that the tree holds."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pixmill.machine import tree_memory_bytes
from pixmill.stats import Tally

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pixmill.journal.store import Journal
    from pixmill.manifest import Manifest
    from pixmill.model import Outcome
    from pixmill.reporting import Reporter, RunFacts, Summary, UnderWay
    from pixmill.stats import Ahead

__all__ = ["Collector"]

_PROGRESS_S = 0.25
_MEMORY_S = 0.5


def _cpu_s() -> float:
    """Return CPU seconds of this process and of its ended children, the workers'."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _as_it_seems(outcome: Outcome) -> Outcome:
    return outcome


@dataclass(slots=True)
class Collector:
    """Folds outcomes and tells reporters.

    Args:
        facts: What is fixed for the run.
        reporter: Who is told.
        ahead: What the scan ahead has counted.
        processes: Returns the process ids whose memory counts beside this one's.
        journal: Where outcomes are kept for the next run, or `None`.
        corrected: Returns how a file really ended, given how it seems to have. Default: as it
            seems.
        manifest: Where outputs are listed where sources have several, or `None`.
        clock: Monotonic seconds.
    """

    facts: RunFacts
    reporter: Reporter
    ahead: Ahead
    processes: Callable[[], Iterable[int]]
    journal: Journal | None = None
    corrected: Callable[[Outcome], Outcome] = _as_it_seems
    manifest: Manifest | None = None
    clock: Callable[[], float] = time.monotonic
    tally: Tally = field(init=False)
    _memory_bytes: int = 0
    _peak_memory_bytes: int = 0
    _progress_due_s: float = 0.0
    _memory_due_s: float = 0.0
    _cpu_before_s: float = field(default_factory=_cpu_s)

    def __post_init__(self) -> None:
        """Start the clock and tell reporters what is fixed."""
        self.tally = Tally(self.clock())
        self.reporter.started(self.facts)

    def record(self, outcome: Outcome) -> Outcome:
        """Take in one outcome for good, and return it as it really was."""
        outcome = self.corrected(outcome)
        self.tally.fold(outcome)
        if self.journal is not None:
            self.journal.end(outcome)
        self.reporter.finished_file(outcome)
        return outcome

    def tick(self, in_hand: int, under_way: tuple[UnderWay, ...] = ()) -> None:
        """Measure memory and tell progress, each when it is due.

        Raises:
            RunError: The journal cannot be written.
        """
        now_s = self.clock()
        if self.journal is not None:
            self.journal.tick()
        if now_s >= self._memory_due_s:
            self._memory_due_s = now_s + _MEMORY_S
            self._memory_bytes = tree_memory_bytes(self.processes())
            self._peak_memory_bytes = max(self._peak_memory_bytes, self._memory_bytes)
        if now_s >= self._progress_due_s:
            self._progress_due_s = now_s + _PROGRESS_S
            progress = self.tally.progress(
                now_s, self.ahead, in_hand=in_hand, memory_bytes=self._memory_bytes
            )
            self.reporter.progressed(replace(progress, under_way=under_way))

    def settle(self) -> None:
        """Have the journal keep all that it was told, and the manifest say so.

        Raises:
            RunError: One of them cannot.
        """
        if self.journal is None:
            return
        self.journal.settle()
        if self.manifest is not None:
            self.manifest.write(self.journal.outputs())

    def summary(self, *, is_interrupted: bool, fatal: str) -> Summary:
        """Close the books and tell reporters; every worker has ended, so CPU time is complete."""
        summary = self.tally.summary(
            self.clock(),
            self.facts,
            cpu_s=_cpu_s() - self._cpu_before_s,
            peak_memory_bytes=self._peak_memory_bytes,
            is_interrupted=is_interrupted,
            fatal=fatal,
        )
        self.reporter.ended(summary)
        return summary

"""Fold outcomes into statistics, a rate and an ETA.

Pure: `now_s` is passed in. Memory stays bounded whatever the number of outcomes.
"""

from __future__ import annotations

import heapq
import posixpath
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.model import Status
from pixmill.registry import suffix_owner
from pixmill.reporting import Failure, FormatCount, Progress, Ranked, Summary

if TYPE_CHECKING:
    from pixmill.model import Outcome
    from pixmill.reporting import RunFacts

__all__ = ["MAX_FAILURES", "RANKED", "Ahead", "Tally"]

MAX_FAILURES = 10_000
RANKED = 10
_BEST_SCORE = 100.0
_WINDOW_S = 10.0
_MIN_ETA_FILES = 4


@dataclass(slots=True)
class Ahead:
    """What a scan ahead of the run has counted, by the codec that each suffix claims.

    Attributes:
        files: Files met.
        sizes_bytes: Bytes for each codec name; the empty name for what is no image.
        has_ended: Whether the count is complete.
    """

    files: int = 0
    sizes_bytes: dict[str, int] = field(default_factory=dict)
    has_ended: bool = False

    def count(self, path: str, size_bytes: int) -> None:
        """Take in one file."""
        name = _claimed(path)
        self.files += 1
        self.sizes_bytes[name] = self.sizes_bytes.get(name, 0) + size_bytes


@dataclass(slots=True)
class _Spent:
    """What the sources of one claimed codec have cost so far."""

    worker_s: float = 0.0
    made_bytes: int = 0
    done_bytes: int = 0


@dataclass(slots=True)
class Tally:
    """The running statistics of one run."""

    started_s: float
    counts: dict[Status, int] = field(default_factory=lambda: dict.fromkeys(Status, 0))
    bytes_read: int = 0
    bytes_written: int = 0
    encodes: int = 0
    pixels_written: int = 0
    _scores: dict[int, int] = field(default_factory=dict)
    _skips: dict[str, int] = field(default_factory=dict)
    _formats: dict[str, FormatCount] = field(default_factory=dict)
    _failures: list[Failure] = field(default_factory=list)
    _slowest: list[tuple[float, int, Ranked]] = field(default_factory=list)
    _largest: list[tuple[float, int, Ranked]] = field(default_factory=list)
    _spent: dict[str, _Spent] = field(default_factory=dict)
    _window: deque[tuple[float, int, int]] = field(default_factory=deque)

    @property
    def walked(self) -> int:
        """Files that have an outcome."""
        return sum(self.counts.values())

    def fold(self, outcome: Outcome) -> None:
        """Take in one outcome."""
        self.counts[outcome.status] += 1
        self.encodes += outcome.encodes
        self._count_cost(outcome)
        if outcome.reason is not None:
            self._skips[outcome.reason] = self._skips.get(outcome.reason, 0) + 1
        if outcome.failure is not None and len(self._failures) < MAX_FAILURES:
            failure = outcome.failure
            self._failures.append(
                Failure(
                    outcome.path, failure.kind, failure.stage, failure.message, outcome.attempts
                )
            )
        if outcome.destination is not None:
            self._count_published(outcome)

    def progress(self, now_s: float, ahead: Ahead, *, in_hand: int, memory_bytes: int) -> Progress:
        """Return where the run stands."""
        files_per_s, bytes_per_s = self._rates(now_s)
        fraction, eta_s = self._forecast(now_s, ahead)
        return Progress(
            optimized=self.counts[Status.OPTIMIZED],
            kept=self.counts[Status.KEPT],
            skipped=self.counts[Status.SKIPPED],
            failed=self.counts[Status.FAILED],
            in_hand=in_hand,
            files_found=max(ahead.files, self.walked),
            is_scanning=not ahead.has_ended,
            bytes_read=self.bytes_read,
            bytes_saved=self.bytes_read - self.bytes_written,
            files_per_s=files_per_s,
            bytes_per_s=bytes_per_s,
            done_fraction=fraction,
            eta_s=eta_s,
            elapsed_s=now_s - self.started_s,
            memory_bytes=memory_bytes,
        )

    def summary(
        self,
        now_s: float,
        facts: RunFacts,
        *,
        cpu_s: float,
        peak_memory_bytes: int,
        is_interrupted: bool,
        fatal: str,
    ) -> Summary:
        """Return how the run ended."""
        return Summary(
            walked=self.walked,
            optimized=self.counts[Status.OPTIMIZED],
            kept=self.counts[Status.KEPT],
            skipped=self.counts[Status.SKIPPED],
            failed=self.counts[Status.FAILED],
            bytes_read=self.bytes_read,
            bytes_written=self.bytes_written,
            wall_s=now_s - self.started_s,
            cpu_s=cpu_s,
            peak_memory_bytes=peak_memory_bytes,
            encodes=self.encodes,
            scores=dict(self._scores),
            pixels_written=self.pixels_written,
            is_interrupted=is_interrupted,
            fatal=fatal,
            skips=dict(self._skips),
            formats=dict(self._formats),
            failures=tuple(self._failures),
            slowest=tuple(ranked for *_, ranked in sorted(self._slowest, reverse=True)),
            largest=tuple(ranked for *_, ranked in sorted(self._largest, reverse=True)),
            facts=facts,
        )

    def _count_published(self, outcome: Outcome) -> None:
        self.bytes_read += outcome.bytes_read
        self.bytes_written += outcome.bytes_written
        for one in outcome.outputs or (outcome,):
            self.pixels_written += one.width_px * one.height_px
            if one.score is not None:
                tenths = round(10 * min(max(0.0, one.score), _BEST_SCORE))
                self._scores[tenths] = self._scores.get(tenths, 0) + 1
        name = outcome.codec or "other"
        before = self._formats.get(name, FormatCount(0, 0, 0))
        self._formats[name] = FormatCount(
            before.files + 1,
            before.bytes_read + outcome.bytes_read,
            before.bytes_written + outcome.bytes_written,
        )

    def _count_cost(self, outcome: Outcome) -> None:
        name = _claimed(outcome.path)
        if (spent := self._spent.get(name)) is None:
            spent = self._spent[name] = _Spent()
        spent.done_bytes += outcome.bytes_read
        if outcome.wall_s > 0:
            spent.worker_s += outcome.wall_s
            spent.made_bytes += outcome.bytes_read
            self._keep_top(self._slowest, outcome.wall_s, outcome)
            self._keep_top(self._largest, outcome.bytes_read, outcome)

    def _keep_top(
        self, heap: list[tuple[float, int, Ranked]], weight: float, outcome: Outcome
    ) -> None:
        if len(heap) == RANKED and weight <= heap[0][0]:  # as nearly all are
            return
        ranked = Ranked(outcome.path, outcome.wall_s, outcome.bytes_read)
        heapq.heappush(heap, (weight, self.walked, ranked))
        if len(heap) > RANKED:
            heapq.heappop(heap)

    def _rates(self, now_s: float) -> tuple[float, float]:
        """Return files and bytes a second over the last seconds."""
        made = self.walked - self.counts[Status.SKIPPED]
        self._window.append((now_s, made, self.bytes_read))
        while len(self._window) > 2 and now_s - self._window[0][0] > _WINDOW_S:  # noqa: PLR2004
            self._window.popleft()
        then_s, files, read_bytes = self._window[0]
        if len(self._window) == 1:
            then_s, files, read_bytes = self.started_s, 0, 0
        span_s = max(now_s - then_s, 1e-3)
        return (made - files) / span_s, (self.bytes_read - read_bytes) / span_s

    def _forecast(self, now_s: float, ahead: Ahead) -> tuple[float | None, float | None]:
        """Return the share of the cost that is done and the seconds that remain.

        Cost is worker seconds: bytes that remain for each format times what a byte of that format
        has cost so far, over the worker seconds spent a second. A format not met yet is taken to
        cost what the others do.
        """
        worker_s = sum(spent.worker_s for spent in self._spent.values())
        made_bytes = sum(spent.made_bytes for spent in self._spent.values())
        elapsed_s = now_s - self.started_s
        if not ahead.has_ended or made_bytes == 0 or elapsed_s <= 0:
            return None, None
        remaining_s = 0.0
        for name, total_bytes in ahead.sizes_bytes.items():
            spent = self._spent.get(name, _Spent())
            left_bytes = max(0, total_bytes - spent.done_bytes) if name else 0
            is_known = spent.made_bytes > 0
            rate = spent.worker_s / spent.made_bytes if is_known else worker_s / made_bytes
            remaining_s += left_bytes * rate
        fraction = worker_s / (worker_s + remaining_s) if worker_s + remaining_s > 0 else 1.0
        is_early = self.walked - self.counts[Status.SKIPPED] < _MIN_ETA_FILES
        return fraction, None if is_early else remaining_s * elapsed_s / worker_s


def _claimed(path: str) -> str:
    return suffix_owner(posixpath.splitext(path)[1])

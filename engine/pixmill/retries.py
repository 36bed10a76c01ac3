"""Jobs that failed for a passing reason: each is tried again, later each time, and not all at once.

Pure: `now` and `rng` are passed in. Must not judge which failures pass.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator

    from pixmill.model import Job, Outcome

__all__ = ["Retries"]

_BACKOFF_S: Final = 0.25
_MAX_BACKOFF_S: Final = 30.0


@dataclass(frozen=True, slots=True, order=True)
class _Retry:
    """A job that failed for a passing reason, and when it is tried again.

    Attributes:
        due_s: When.
        number: The job's number, which orders what is due at one time.
        job: The job, its attempt counted.
        last: How the last attempt ended.
    """

    due_s: float
    number: int
    job: Job = field(compare=False)
    last: Outcome = field(compare=False)


@dataclass(slots=True)
class Retries:
    """Jobs that failed for a passing reason, until they are tried again.

    Args:
        rng: Source of the jitter.
    """

    rng: random.Random
    _heap: list[_Retry] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self._heap)

    @property
    def next_s(self) -> float | None:
        """When the first falls due."""
        return self._heap[0].due_s if self._heap else None

    def add(self, job: Job, last: Outcome, now_s: float) -> None:
        """Take in a job as it was tried last, and how that ended."""
        delay_s = min(_MAX_BACKOFF_S, _BACKOFF_S * 2 ** (job.attempt - 1))
        due_s = now_s + delay_s * self.rng.uniform(0.5, 1.5)
        again = replace(job, attempt=job.attempt + 1)
        heapq.heappush(self._heap, _Retry(due_s, job.number, again, last))

    def due(self, now_s: float) -> Iterator[Job]:
        """Take out what has fallen due."""
        while self._heap and self._heap[0].due_s <= now_s:
            yield heapq.heappop(self._heap).job

    def clear(self) -> list[Outcome]:
        """Forget all, and return how they ended last."""
        outcomes = [retry.last for retry in self._heap]
        self._heap.clear()
        return outcomes

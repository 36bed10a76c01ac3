"""What waits for a worker, and which of it goes next: by the walk, but for what would end last.

Left to its turn, a large file that comes last keeps one worker busy while all others have nothing
left to do. So a job goes before its turn once what waits beside it would not keep the other workers
busy for as long as it takes itself. What a job takes is guessed from its size and from what a byte
of its format has taken so far.

Pure. Sees no further than what waits, so that its memory is bounded; must not decide when work is
sent, nor to whom.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pixmill.settings import Order

if TYPE_CHECKING:
    from pixmill.model import Job

__all__ = ["Lookahead"]

_MARGIN: Final = 2.0
"""How many times longer than guessed a job may take; to begin one early costs nothing."""
_SMALL_BYTES: Final = 64 * 1024
_BATCH_JOBS: Final = 32
_BATCH_BYTES: Final = 1024 * 1024
_MOST_STALE: Final = 256
_CHUNK_JOBS: Final = 1000
"""Whatever they may take: as many are made again where a machine is lost with them."""


@dataclass(slots=True)
class _Kind:
    """The jobs of one codec: those that wait, and what those that have ended took.

    Attributes:
        waiting_bytes: Size of those that wait.
        largest: Negative size and number of each that waits, and of some that wait no more: of as
            many again, since what is small would stay to the end of the run, at 110 bytes each.
        spent_s: Seconds that workers spent on those that have ended.
        done_bytes: Their size.
    """

    waiting_bytes: int = 0
    largest: list[tuple[int, int]] = field(default_factory=list)
    spent_s: float = 0.0
    done_bytes: int = 0


@dataclass(slots=True)
class Lookahead:
    """Jobs that wait.

    Args:
        slots: How many workers share them.
        order: Whether a job may go before its turn.
        chunk_s: Seconds of work that are taken at a time; 0 for one file, or some small ones.
    """

    slots: int
    order: Order = Order.AUTO
    chunk_s: float = 0.0
    _jobs: OrderedDict[int, Job] = field(default_factory=OrderedDict)
    _kinds: dict[str, _Kind] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job, *, is_next: bool = False) -> None:
        """Take in a job at the end of the order, or at its front."""
        self._jobs[job.number] = job
        if is_next:
            self._jobs.move_to_end(job.number, last=False)
        kind = self._kind(job)
        kind.waiting_bytes += job.source.size_bytes
        if len(kind.largest) > 2 * len(self._jobs) + _MOST_STALE:
            kind.largest = [each for each in set(kind.largest) if each[1] in self._jobs]
            heapq.heapify(kind.largest)
        heapq.heappush(kind.largest, (-job.source.size_bytes, job.number))

    def clear(self) -> None:
        """Forget what waits."""
        self._jobs.clear()
        for kind in self._kinds.values():
            kind.waiting_bytes = 0
            kind.largest.clear()

    def learn(self, job: Job, spent_s: float) -> None:
        """Note what a job has taken that was made."""
        kind = self._kind(job)
        kind.spent_s += spent_s
        kind.done_bytes += job.source.size_bytes

    def taken(self) -> tuple[Job, ...]:
        """Take one large job, or small ones up to one worker's fair share of what waits."""
        if self.chunk_s:
            return self._chunk()
        share = min(_BATCH_JOBS, 1 + len(self._jobs) // (2 * self.slots))
        jobs = [self._take(self._next())]
        room_bytes = _BATCH_BYTES - jobs[0].source.size_bytes
        while len(jobs) < share and self._jobs and jobs[0].source.size_bytes <= _SMALL_BYTES:
            number = next(iter(self._jobs))
            size_bytes = self._jobs[number].source.size_bytes
            if size_bytes > min(_SMALL_BYTES, room_bytes):
                break
            jobs.append(self._take(number))
            room_bytes -= size_bytes
        return tuple(jobs)

    def _chunk(self) -> tuple[Job, ...]:
        """Take seconds of work, or a fair share; single jobs until one has told what they take.

        No less than a tenth of those seconds: then what is sent costs more than what it evens out.
        """
        rates = {name: self._seconds_a_byte(kind) for name, kind in self._kinds.items()}
        all_s = sum(rates[name] * kind.waiting_bytes for name, kind in self._kinds.items())
        room_s = min(self.chunk_s, max(all_s / (2 * self.slots), self.chunk_s / 10))
        jobs: list[Job] = []
        number = self._next()
        while True:
            source = self._jobs[number].source
            room_s -= rates[source.codec] * source.size_bytes
            if jobs and room_s < 0:
                break
            jobs.append(self._take(number))
            if not self._jobs or len(jobs) == _CHUNK_JOBS:
                break
            number = next(iter(self._jobs))
        return tuple(jobs)

    def _next(self) -> int:
        """Return the number of the longest job, if its time has come, or of the first."""
        first = next(iter(self._jobs))
        if self.order is Order.PATH or self.slots == 1:
            return first
        longest, longest_s, all_s = first, 0.0, 0.0
        for kind in self._kinds.values():
            if kind.waiting_bytes:
                rate = self._seconds_a_byte(kind)
                all_s += rate * kind.waiting_bytes
                size_bytes, number = self._largest(kind)
                if rate * size_bytes > longest_s:
                    longest, longest_s = number, rate * size_bytes
        others_s = (all_s - longest_s) / (self.slots - 1)
        return longest if _MARGIN * longest_s >= others_s else first

    def _largest(self, kind: _Kind) -> tuple[int, int]:
        """Return size and number of the largest job of a kind that waits."""
        while kind.largest[0][1] not in self._jobs:
            heapq.heappop(kind.largest)
        negative, number = kind.largest[0]
        return -negative, number

    def _seconds_a_byte(self, kind: _Kind) -> float:
        """Return what a byte of a kind takes; of one never met, what one of the others does."""
        if kind.done_bytes:
            return kind.spent_s / kind.done_bytes
        done_bytes = sum(each.done_bytes for each in self._kinds.values())
        return (
            sum(each.spent_s for each in self._kinds.values()) / done_bytes if done_bytes else 1.0
        )

    def _take(self, number: int) -> Job:
        job = self._jobs.pop(number)
        kind = self._kind(job)
        kind.waiting_bytes -= job.source.size_bytes
        if kind.waiting_bytes == 0:
            kind.largest.clear()
        return job

    def _kind(self, job: Job) -> _Kind:
        if (kind := self._kinds.get(job.source.codec)) is None:
            kind = self._kinds[job.source.codec] = _Kind()
        return kind

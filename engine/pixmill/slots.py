"""What the dispatcher keeps of the places to run.

Pure, and decides nothing: only `dispatch` changes it. What is asked of all slots at every event is
kept up to date rather than counted anew: counted, a job cost 17 us among 2 slots and 136 among 256.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.model import Job

__all__ = ["Deadlines", "Slot", "Slots", "State"]


class State(StrEnum):
    """What a slot's worker is doing, as far as the dispatcher was told."""

    EMPTY = auto()
    STARTING = auto()
    IDLE = auto()
    BUSY = auto()
    LEAVING = auto()


@dataclass(slots=True)
class Slot:
    """A place to run, and the worker in it.

    Attributes:
        number: Which slot.
        state: What its worker is doing.
        jobs: What the worker holds, the one in hand first.
        lease_bytes: Memory it may hold.
        has_asked: Whether it has asked for the job in hand: once a job, for asking stops its clock.
        is_deferring: Whether it was told to leave the job in hand, which is to be made alone.
        overdue: Number of the job for whose sake it was killed.
        is_fresh: Whether it has ended no job yet.
    """

    number: int
    state: State = State.EMPTY
    jobs: deque[Job] = field(default_factory=deque)
    lease_bytes: int = 0
    has_asked: bool = False
    is_deferring: bool = False
    overdue: int | None = None
    is_fresh: bool = True


@dataclass(slots=True)
class Deadlines:
    """When the worker in each slot is overdue; it has none while it waits or has nothing to do.

    All that are set equally far ahead fall due in the order in which they were set, so that no
    slot has to be looked at but the first of each kind.
    """

    _due_s: dict[float, OrderedDict[int, float]] = field(default_factory=dict)
    _ahead_s: dict[int, float] = field(default_factory=dict)

    def put(self, slot: int, *, now_s: float, ahead_s: float) -> None:
        """Set a slot's deadline, in place of the one that it has."""
        self.drop(slot)
        self._ahead_s[slot] = ahead_s
        self._due_s.setdefault(ahead_s, OrderedDict())[slot] = now_s + ahead_s

    def drop(self, slot: int) -> None:
        """Let a slot have none."""
        ahead_s = self._ahead_s.pop(slot, None)
        if ahead_s is not None:
            del self._due_s[ahead_s][slot]

    def overdue(self, now_s: float) -> list[int]:
        """Return the slots whose deadlines have passed, and let them have none."""
        slots = []
        for kind in self._due_s.values():
            while kind and kind[slot := next(iter(kind))] <= now_s:
                self.drop(slot)
                slots.append(slot)
        return sorted(slots)

    @property
    def next_s(self) -> float | None:
        """When the first falls due."""
        firsts = [next(iter(kind.values())) for kind in self._due_s.values() if kind]
        return min(firsts, default=None)


@dataclass(slots=True)
class Slots:
    """Every slot of a run.

    Args:
        count: How many there are.
        held_jobs: Jobs that workers hold.
        leased_bytes: Sum of the leases in force.
        starting: Workers that were started and are not ready.
    """

    count: int
    held_jobs: int = 0
    leased_bytes: int = 0
    starting: int = 0
    _all: list[Slot] = field(init=False)
    _numbers: dict[State, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        """Make them, empty."""
        self._all = [Slot(number) for number in range(self.count)]
        self._numbers = {State.EMPTY: list(range(self.count)), State.IDLE: []}

    def __getitem__(self, number: int) -> Slot:
        return self._all[number]

    @property
    def are_all_taken(self) -> bool:
        """Whether no slot is empty or idle."""
        return not (self._numbers[State.IDLE] or self._numbers[State.EMPTY])

    def first(self, state: State) -> Slot | None:
        """Return the slot with the lowest number that is empty, or idle."""
        numbers = self._numbers[state]
        return self._all[numbers[0]] if numbers else None

    def first_fresh(self) -> Slot | None:
        """Return an idle slot whose worker has ended no job yet."""
        fresh = (number for number in self._numbers[State.IDLE] if self._all[number].is_fresh)
        return next((self._all[number] for number in fresh), None)

    def manned(self) -> list[Slot]:
        """Return the slots that have a worker."""
        return [slot for slot in self._all if slot.state is not State.EMPTY]

    def enter(self, slot: Slot, state: State) -> None:
        """Note what a slot's worker does from now on."""
        if (left := self._numbers.get(slot.state)) is not None:
            _take(left, slot.number)
        if (joined := self._numbers.get(state)) is not None:
            heapq.heappush(joined, slot.number)
        self.starting += (state is State.STARTING) - (slot.state is State.STARTING)
        slot.state = state

    def lease(self, slot: Slot, lease_bytes: int) -> None:
        """Let a slot's worker hold so much memory."""
        self.leased_bytes += lease_bytes - slot.lease_bytes
        slot.lease_bytes = lease_bytes

    def give(self, slot: Slot, jobs: tuple[Job, ...]) -> None:
        """Put jobs into a worker's hands."""
        slot.jobs.extend(jobs)
        self.held_jobs += len(jobs)

    def take(self, slot: Slot) -> Job:
        """Take the job in hand out of a worker's hands."""
        self.held_jobs -= 1
        return slot.jobs.popleft()

    def vacate(self, slot: Slot) -> None:
        """Put an empty slot in place of one whose worker has ended; its jobs stay with the old."""
        self.lease(slot, 0)
        self.held_jobs -= len(slot.jobs)
        self.enter(slot, State.EMPTY)
        self._all[slot.number] = Slot(slot.number)


def _take(heap: list[int], number: int) -> None:
    """Take a number off a heap; it is the first, unless a worker was lost while it idled."""
    if heap[0] == number:
        heapq.heappop(heap)
    else:
        heap.remove(number)
        heapq.heapify(heap)

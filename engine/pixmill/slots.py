"""What the dispatcher keeps of each place to run, and of each job that waits to be tried again.

Values that only `dispatch` changes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.model import Job, Outcome

__all__ = ["Retry", "Slot", "State"]


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
        deadline_s: When it is overdue; `None` while it waits for a grant or has nothing to do.
        overdue: Number of the job for whose sake it was killed.
        is_fresh: Whether it has ended no job yet.
        is_bloated: Whether its resident memory is past the limit.
    """

    number: int
    state: State = State.EMPTY
    jobs: deque[Job] = field(default_factory=deque)
    lease_bytes: int = 0
    has_asked: bool = False
    deadline_s: float | None = None
    overdue: int | None = None
    is_fresh: bool = True
    is_bloated: bool = False


@dataclass(frozen=True, slots=True, order=True)
class Retry:
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

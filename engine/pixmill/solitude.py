"""Jobs that need more memory than may be had beside others, kept until they are made alone.

Their turn comes once nothing else is to be sent, or as many wait as may; then they go one after the
other, and nothing else until the last of them has ended. So they wait no longer than the run, and
the run waits for a few of them at a time.

Pure. Must not decide who makes them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pixmill.model import Job

__all__ = ["Solitude"]

_MOST_WAITING: Final = 32
"""A turn costs what other workers leave undone until the last of them has ended its file, and a
start of each anew."""


@dataclass(slots=True)
class Solitude:
    """Jobs that were deferred.

    Attributes:
        slot: Whose worker makes one alone now; `None` for nobody's.
    """

    slot: int | None = None
    _jobs: deque[Job] = field(default_factory=deque)
    _is_turn: bool = False

    def __len__(self) -> int:
        return len(self._jobs)

    def add(self, job: Job, *, is_next: bool = False) -> None:
        """Take in a job at the end of the line, or at its front."""
        if is_next:
            self._jobs.appendleft(job)
        else:
            self._jobs.append(job)

    def has_turn(self, *, is_rest: bool) -> bool:
        """Return whether these jobs go before all others.

        Args:
            is_rest: Whether there are no others.
        """
        is_due = is_rest or len(self._jobs) >= _MOST_WAITING or self._is_turn
        self._is_turn = self.slot is not None or (bool(self._jobs) and is_due)
        return self._is_turn

    def take(self, slot: int) -> Job:
        """Take the first, for the worker in a slot to make."""
        self.slot = slot
        return self._jobs.popleft()

    def leave(self, slot: int) -> bool:
        """Note that a slot's worker makes nothing any more; return whether it made one alone."""
        was_alone = self.slot == slot
        if was_alone:
            self.slot = None
        return was_alone

    def clear(self) -> list[Job]:
        """Forget the jobs that wait, and return them."""
        jobs = list(self._jobs)
        self._jobs.clear()
        return jobs

"""What a slot of a cluster was sent: the parts that it is ordered in, and the copies of each.

Pure. Must not decide when anything is ordered; `chunks` does.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.model import Job
    from pixmill.protocol import CostKnown, JobEnded

__all__ = ["Chunk", "Copy", "Part"]


@dataclass(slots=True)
class Copy:
    """One task.

    Attributes:
        word_s: When it was ordered, or last said something.
        has_begun: Whether it has said anything.
        is_first: Whether none of its jobs was ordered before.
        is_felled: Whether it was to be ended, so that its end blames nobody.
        node: The node that makes it; empty while that is unknown.
    """

    word_s: float
    is_first: bool
    has_begun: bool = False
    is_felled: bool = False
    node: str = ""


@dataclass(slots=True)
class Part:
    """Jobs that are ordered together.

    Attributes:
        jobs: Those that have not ended.
        grant_bytes: What each may hold.
        orders: How often they were ordered.
        node_losses: How many nodes were lost with them.
        kills: How often Ray killed for want of memory when one of them was alone left.
        since_s: When they were ordered first.
    """

    jobs: OrderedDict[int, Job]
    grant_bytes: int
    orders: int = 0
    node_losses: int = 0
    kills: int = 0
    since_s: float = 0.0


@dataclass(slots=True)
class Chunk:
    """What one slot was sent.

    Attributes:
        slot: Which.
        parts: What is left of it; the first is under way.
        copies: The tasks that make it; none while it waits.
        ended: Reports that wait for those of earlier jobs.
        due_s: How long it waits.
    """

    slot: int
    parts: deque[Part]
    copies: dict[int, Copy] = field(default_factory=dict)
    ended: dict[int, JobEnded] = field(default_factory=dict)
    due_s: float = 0.0

    @property
    def has_begun(self) -> bool:
        """Whether any of its copies has said anything."""
        return any(copy.has_begun for copy in self.copies.values())

    def halve(self) -> None:
        """Have the first half of what is under way made before the second."""
        part = self.parts.popleft()
        jobs = list(part.jobs.items())
        for half in (jobs[len(jobs) // 2 :], jobs[: len(jobs) // 2]):
            self.parts.appendleft(replace(part, jobs=OrderedDict(half)))

    def set_apart(self, report: CostKnown) -> None:
        """Have a job made alone that needs more memory than its share, before those behind it."""
        part = self.parts[0]
        if next(iter(part.jobs)) != report.number:  # one before it is made again: both may have it
            part.grant_bytes = report.cost_bytes
            return
        alone = OrderedDict([part.jobs.popitem(last=False)])
        if not part.jobs:
            self.parts.popleft()
        self.parts.appendleft(replace(part, jobs=alone, grant_bytes=report.cost_bytes))

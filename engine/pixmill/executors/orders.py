"""What is said between who keeps the books of chunks and who has them made on a cluster.

Pure values; `executors/chunks.py` decides.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.executors.base import Report
    from pixmill.model import Job

__all__ = ["Answer", "Breakage", "Fell", "Order", "Quit", "Recall", "Watch"]


class Breakage(StrEnum):
    """What took a copy.

    The end of its process on the cluster, or that by Ray for memory, or that of its node; or a
    store that did not answer its node for long.
    """

    WORKER = auto()
    MEMORY = auto()
    NODE = auto()
    STORE = auto()


@dataclass(frozen=True, slots=True)
class Order:
    """Have jobs made, in order, by one task.

    Attributes:
        copy: Names it.
        jobs: What is to be made.
        grant_bytes: What each of them may hold, which the cluster sets aside.
        shunned: The nodes that are not to do it.
    """

    copy: int
    jobs: tuple[Job, ...]
    grant_bytes: int
    shunned: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recall:
    """Let a copy end: nobody listens to it any more."""

    copy: int


@dataclass(frozen=True, slots=True)
class Fell:
    """End the process of a copy that has begun, and is silent: what it holds nobody else can have.

    If its whole node is silent this comes to nothing.
    """

    copy: int


@dataclass(frozen=True, slots=True)
class Quit:
    """End the run: no node can go on.

    Attributes:
        reason: What a person is told, whole.
    """

    reason: str


if TYPE_CHECKING:
    Answer = Order | Recall | Fell | Quit | Report


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """When a copy is given a spare.

    Attributes:
        silence_s: Seconds without a word from one that has begun; it says one every second.
        unbegun_s: Seconds until one begins, which may have to wait for a node, where others have
            been made; once a node was silent it is `silence_s`.
        age_s: Seconds that the last chunks of a run may take, and
        age_factor: how many times as long as 99 of 100 chunks have taken.
        copies: Most copies at a time.
        probation_s: Seconds for which a node gets no work that was silent, or heard nothing of a
            store, and
        famine_s: one on which Ray killed for want of memory.
    """

    silence_s: float = 30.0
    unbegun_s: float = 120.0
    age_s: float = 60.0
    age_factor: float = 5.0
    copies: int = 4
    probation_s: float = 300.0
    famine_s: float = 60.0

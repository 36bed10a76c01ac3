"""What the gateway to a cluster tells the coordinator, and is told by tasks: values alone.

Apart from `gateway`, which runs as a main module and so could not be named by what it sends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.executors.base import Report
    from pixmill.executors.orders import Breakage

__all__ = ["Berth", "Broken", "Joined", "Node", "Over", "Refused", "Said", "Unfit"]


@dataclass(frozen=True, slots=True)
class Berth:
    """Where a task runs, which is its first word.

    Attributes:
        node: What Ray calls the machine.
        pid: Its process there.
    """

    node: str
    pid: int


@dataclass(frozen=True, slots=True)
class Node:
    """A machine of the cluster.

    Attributes:
        name: What Ray calls it.
        cpus: How many tasks it runs at a time.
        memory_bytes: What all tasks on it may set aside.
    """

    name: str
    cpus: float
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class Joined:
    """The cluster answers."""

    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Refused:
    """It does not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Said:
    """A copy has said something.

    Attributes:
        copy: Which.
        reports: What.
        node: The node that makes it, with its first word.
    """

    copy: int
    reports: tuple[Report, ...]
    node: str = ""


@dataclass(frozen=True, slots=True)
class Over:
    """A copy has ended in order."""

    copy: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A copy was lost."""

    copy: int
    by: Breakage
    reason: str


@dataclass(frozen=True, slots=True)
class Unfit:
    """A node cannot take part in the run."""

    reason: str

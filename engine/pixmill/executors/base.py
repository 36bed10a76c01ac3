"""What an executor is: it starts, feeds and ends workers, and delivers what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pixmill.protocol import (
        Advanced,
        CostKnown,
        Defer,
        Grant,
        JobEnded,
        KillWorker,
        Remark,
        RetireWorker,
        Send,
        StartWorker,
        WorkerLost,
        WorkerReady,
    )

    Delivery = StartWorker | Send | Grant | Defer | RetireWorker | KillWorker
    Report = WorkerReady | CostKnown | Advanced | JobEnded | WorkerLost | Remark

__all__ = ["Executor"]


class Executor(Protocol):
    """Runs workers; told what to do by the coordinator, in the dispatcher's words."""

    def deliver(self, command: Delivery) -> None:
        """Carry out a command."""

    def wait(self, timeout_s: float) -> list[Report]:
        """Return what workers said, in the order each said it; nothing once the time is up."""

    def processes(self) -> list[int]:
        """Return the process ids of every process this executor runs."""

    def close(self) -> None:
        """End every process at once and leave nothing running; may be called twice."""

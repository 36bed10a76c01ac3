"""The serial twin of the local executor: one worker, in this process, without any containment.

For tests of everything around workers, and for nobody's archive: what crashes, crashes here.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pixmill.protocol import (
    Defer,
    Grant,
    JobEnded,
    KillWorker,
    RetireWorker,
    Send,
    StartWorker,
    WorkerLost,
    WorkerReady,
)
from pixmill.worker import Worker

if TYPE_CHECKING:
    from pixmill.executors.base import Delivery, Report
    from pixmill.protocol import Setup

__all__ = ["InlineExecutor"]


@dataclass(slots=True)
class InlineExecutor:
    """Runs each job when it is sent; every lease is granted, since nothing runs beside it.

    Args:
        setup: What a worker must know; its slot is set when one is started.
    """

    setup: Setup
    _workers: dict[int, Worker] = field(default_factory=dict)
    _reports: deque[Report] = field(default_factory=deque)

    def deliver(self, command: Delivery) -> None:
        """Carry out a command, to its end."""
        match command:
            case StartWorker(slot):
                worker = Worker(replace(self.setup, slot=slot), lambda _number, _cost: True)
                self._workers[slot] = worker
                self._reports.append(WorkerReady(slot))
            case Send(slot, jobs):
                for job in jobs:
                    outcome = self._workers[slot].outcome(job)
                    self._reports.append(JobEnded(slot, job.number, outcome))
            case RetireWorker(slot) | KillWorker(slot):
                if self._workers.pop(slot, None) is not None:
                    self._reports.append(WorkerLost(slot, None, "the end of its work"))
            case Grant() | Defer():
                pass  # no worker of this executor ever asks

    def wait(self, timeout_s: float) -> list[Report]:
        """Return what there is; nothing happens while waiting."""
        del timeout_s
        reports, self._reports = list(self._reports), deque()
        return reports

    def processes(self) -> list[int]:
        """Return none: this process is the coordinator's."""
        return []

    def close(self) -> None:
        """Forget the workers."""
        self._workers.clear()

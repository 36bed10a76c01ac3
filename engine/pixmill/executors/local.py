"""Workers in processes of this machine, one pipe each.

No queue is shared: a worker that dies can neither take a lock along nor a neighbour's message.
The end of a pipe is the worker's death, and comes after every message that it sent.
"""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pixmill.executors.hatchery import Hatchery, default_hatchery
from pixmill.executors.hearing import UntrustedError, heard
from pixmill.executors.listening import Listener, default_listener
from pixmill.protocol import (
    Advanced,
    CostKnown,
    Defer,
    Grant,
    KillWorker,
    RetireWorker,
    Send,
    StartWorker,
    WorkerLost,
)

if TYPE_CHECKING:
    from pixmill.executors.base import Delivery, Report
    from pixmill.executors.hatchery import Hatchling
    from pixmill.executors.note import Hands
    from pixmill.protocol import Setup

__all__ = ["LocalExecutor"]

_BREACH = -getattr(signal, "SIGSYS", 0)
"""How a worker ends that makes a system call which `pixmill.sandbox` refuses."""
_SPENT = -getattr(signal, "SIGXCPU", 0)
"""How one ends that has used more CPU than its image's time could give."""

_WHOLE_PERCENT = 100
_MOST_REPORTS = 64
"""Heard of one worker at a time; one that chatters without end must not be the only one heard."""


@dataclass(slots=True)
class LocalExecutor:
    """Runs workers as processes.

    Args:
        setup: What every worker must know; its slot is set when one is started.
        hatchery: Where processes come from. Default: the best that this system allows.
        hands: Where workers note what they hold, so that it outlives the run. Default: nowhere.
        listener: Knows who has something to say. Default: the best that this system allows.
    """

    setup: Setup
    hatchery: Hatchery = field(default_factory=default_hatchery)
    hands: Hands | None = None
    listener: Listener = field(default_factory=default_listener)
    _workers: dict[int, Hatchling] = field(default_factory=dict)

    def deliver(self, command: Delivery) -> None:
        """Carry out a command; what a dead worker can no longer hear is dropped."""
        if isinstance(command, StartWorker):
            worker = self._hatched(command.slot)
            self._workers[command.slot] = worker
            self.listener.add(command.slot, worker.connection)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                worker.connection.send(replace(self.setup, slot=command.slot))
            return
        worker_or_none = self._workers.get(command.slot)
        if worker_or_none is None:
            return
        match command:
            case KillWorker():
                worker_or_none.kill()
            case Send() | Grant() | Defer() | RetireWorker():
                try:
                    worker_or_none.connection.send(command)
                except BlockingIOError:  # it does not listen, and has said that it would
                    worker_or_none.kill()
                except (BrokenPipeError, ConnectionResetError):
                    pass

    def _hatched(self, slot: int) -> Hatchling:
        if self.hands is None:
            return self.hatchery.hatch()
        try:
            hand = self.hands.opened(slot)
        except OSError:  # then nobody will know, should the run end without a word
            return self.hatchery.hatch()
        try:
            return self.hatchery.hatch(hand)
        finally:
            os.close(hand)

    def wait(self, timeout_s: float) -> list[Report]:
        """Return what workers said; a worker's end comes after its last words."""
        reports: list[Report] = []
        for _ in range(_MOST_REPORTS):
            slots = self.listener.ready(timeout_s)
            reports += (report for slot in slots if (report := self._heard(slot)) is not None)
            if not slots:
                break
            timeout_s = 0.0
        return reports

    def processes(self) -> list[int]:
        """Return the process ids of the workers and their helpers."""
        return [*self.hatchery.processes(), *(worker.pid for worker in self._workers.values())]

    def close(self) -> None:
        """End every process at once."""
        for slot in list(self._workers):
            self._workers[slot].kill()
            self._dropped(slot)
        self.hatchery.close()

    def _allowed(self, report: Report) -> Report:
        """Refuse a cost that no plan may have: it would never be granted, nor anything after it.

        And a share of a job that is none.
        """
        most_bytes = max(self.setup.lease_bytes, self.setup.alone_bytes)
        if isinstance(report, CostKnown) and report.cost_bytes > most_bytes:
            raise UntrustedError("it asks for more than one image may cost")
        if isinstance(report, Advanced) and not 0 <= report.percent <= _WHOLE_PERCENT:
            raise UntrustedError("it tells of more than all of a job")
        return report

    def _heard(self, slot: int) -> Report | None:
        worker = self._workers.get(slot)
        if worker is None:  # closed meanwhile, by a signal handler
            return None
        try:
            return self._allowed(heard(worker.connection, slot))
        except UntrustedError as error:
            worker.kill()
            self._dropped(slot)
            reason = f"a message that no worker sends: {error}"
            return WorkerLost(slot, worker.note.in_hand, reason, is_breach=True)
        except (EOFError, OSError):
            self._dropped(slot)
            return _lost(worker, slot)

    def _dropped(self, slot: int) -> None:
        self.listener.drop(slot)
        self._workers.pop(slot).connection.close()


def _lost(worker: Hatchling, slot: int) -> WorkerLost:
    code = worker.exit_code()
    return WorkerLost(
        slot,
        worker.note.in_hand,
        worker.reason(),
        is_breach=code == _BREACH,
        is_spent=code == _SPENT,
    )

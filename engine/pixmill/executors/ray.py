"""Workers on the machines of a Ray cluster: the coordinator's side, which never loads Ray.

A slot is one task at a time. `gateway` speaks with Ray, `chunks` decides what becomes of what is
lost or late, `outpost` has the very worker of the local run make it.
"""

from __future__ import annotations

import os
import re
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import IO, TYPE_CHECKING, Any, Final, assert_never

from pixmill.errors import RunError
from pixmill.executors.orders import Fell, Order, Recall
from pixmill.executors.tidings import Broken, Joined, Over, Refused, Said, Unfit
from pixmill.executors.vigil import PATIENCE_S, Vigil
from pixmill.protocol import (
    Defer,
    Grant,
    KillWorker,
    RetireWorker,
    Send,
    StartWorker,
    WorkerLost,
    WorkerReady,
)

if TYPE_CHECKING:
    from pixmill.executors.base import Delivery, Report
    from pixmill.executors.chunks import Chunks
    from pixmill.executors.orders import Answer
    from pixmill.executors.outpost import Brief
    from pixmill.executors.tidings import Node

__all__ = ["Gateway", "RayExecutor"]

_JOIN_S: Final = 30.0
_LAUNCH_S: Final = 90.0
"""A cluster of its own takes Ray 6 to 12 s, and longer on a busy machine."""
_LEAVE_S: Final = 15.0
_STALL_S: Final = 30  # a message takes microseconds; one that stands still for this long never ends
_MOST_MESSAGES: Final = 256
_LAST_WORDS_BYTES: Final = 4096
_STAMP: Final = re.compile(r"^\[[^\]]*\] \S+: ")
"""Time, process and line of Ray's source, before what it logs."""


@dataclass(slots=True)
class Gateway:
    """The process that speaks with Ray.

    Args:
        address: Where the cluster is: `HOST:PORT`, `auto` for the one that this machine is part
            of, or empty for one of its own.
    """

    address: str
    nodes: tuple[Node, ...] = ()
    has_joined: bool = False
    words: Connection[Any, Any] = field(init=False)
    _process: subprocess.Popen[bytes] = field(init=False)
    _complaints: IO[bytes] = field(default_factory=tempfile.TemporaryFile)

    def __post_init__(self) -> None:
        """Start it."""
        ours, theirs = socket.socketpair()
        for side in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, side, struct.pack("ll", _STALL_S, 0))
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own module by our own interpreter
                [
                    *(sys.executable, "-m", "pixmill.executors.gateway"),
                    *(str(theirs.fileno()), self.address),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._complaints,
                stderr=self._complaints,
                pass_fds=[theirs.fileno()],
                env=environment,
                start_new_session=True,  # so that Ctrl-C reaches the coordinator alone
            )
        self.words = Connection(ours.detach())

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def join(self) -> None:
        """Wait until the cluster answers.

        Raises:
            RunError: It does not.
        """
        patience_s = _JOIN_S if self.address else _LAUNCH_S
        answer: object = None
        with suppress(EOFError, OSError):
            answer = self.words.recv() if self.words.poll(patience_s) else None
        match answer:
            case Joined(nodes):
                self.nodes, self.has_joined = nodes, True
            case Refused(reason):
                raise RunError(f"cannot join {self._title}: {reason}; {_HINT}")
            case _:
                said = self.last_words() or f"no answer within {patience_s:g} s"
                raise RunError(f"cannot join {self._title}: {said}; {_HINT}")

    def last_words(self) -> str:
        """Return the last line that Ray has complained with, or nothing."""
        self._complaints.seek(0, os.SEEK_END)
        self._complaints.seek(max(0, self._complaints.tell() - _LAST_WORDS_BYTES))
        lines = self._complaints.read().decode(errors="replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return _STAMP.sub("", last)

    def close(self) -> None:
        """Hang up, so that every task ends; kill what does not in time, or never joined."""
        if self.words.closed:
            return
        self.words.close()
        try:
            self._process.wait(_LEAVE_S if self.has_joined else 0.0)
        except subprocess.TimeoutExpired:
            self.kill()
        self._complaints.close()

    def kill(self) -> None:
        """End it, whatever it is about; its tasks end with it."""
        self._process.kill()
        with suppress(subprocess.TimeoutExpired):  # it hangs in the kernel, and dies after that
            self._process.wait(_LEAVE_S)

    @property
    def _title(self) -> str:
        return f"the Ray cluster at {self.address}" if self.address else "a Ray of its own"


_HINT: Final = (
    "name HOST:PORT of its head with --ray-address, and see that RAY_AUTH_MODE and RAY_AUTH_TOKEN "
    "are the cluster's"
)


@dataclass(slots=True)
class RayExecutor:
    """Runs workers as tasks of a cluster.

    Args:
        gateway: Has joined it.
        brief: What every node is told.
        chunks: What is under way.
        held: What is let go with the executor.
    """

    gateway: Gateway
    brief: Brief
    chunks: Chunks
    held: ExitStack = field(default_factory=ExitStack)
    _manned: set[int] = field(default_factory=set)
    _reports: deque[Report] = field(default_factory=deque)
    _trouble: str = ""
    _vigil: Vigil = field(default_factory=lambda: Vigil(PATIENCE_S))

    def __post_init__(self) -> None:
        """Tell every node what it must know."""
        self._tell(self.brief)

    def deliver(self, command: Delivery) -> None:
        """Carry out a command; a slot is manned at once, since its task brings the worker."""
        match command:
            case StartWorker(slot):
                if self._trouble:
                    raise RunError(self._trouble)
                self._manned.add(slot)
                self._reports.append(WorkerReady(slot))
            case Send(slot, jobs):
                self._take(self.chunks.begin(slot, jobs, time.monotonic()))
            case RetireWorker(slot) | KillWorker(slot):
                self._take(self.chunks.drop(slot))
                self._lose(slot, "the end of its work")
            case Grant() | Defer():
                pass  # settled where the worker asks: `chunks` has more set aside for it alone
            case _:
                assert_never(command)

    def wait(self, timeout_s: float) -> list[Report]:
        """Return what workers said, and what the cluster let become of them."""
        patience_s = 0.0 if self._reports else timeout_s
        try:
            for _ in range(_MOST_MESSAGES):
                if not self.gateway.words.poll(patience_s):
                    break
                self._hear(self.gateway.words.recv())
                self._vigil.heard()
                patience_s = 0.0
        except (EOFError, OSError):
            self.gateway.kill()
            self._give_up(f"the connection to Ray ended: {self.gateway.last_words()}")
        if self._vigil.is_over(time.monotonic()):
            self.gateway.kill()
            self._give_up("the process that speaks with Ray stood still")
        self._take(self.chunks.look(time.monotonic()))
        reports, self._reports = list(self._reports), deque()
        return reports

    def processes(self) -> list[int]:
        """Return the gateway's process id: the others are not of this machine's tree."""
        return [self.gateway.pid]

    def close(self) -> None:
        """End every task and leave the cluster."""
        self.gateway.close()
        self.held.close()

    def _hear(self, message: object) -> None:
        now_s = time.monotonic()
        match message:
            case Said(copy, reports, node):
                self._take(self.chunks.hear(copy, reports, now_s, node))
            case Over(copy):
                self._take(self.chunks.over(copy, now_s))
            case Broken(copy, by, reason):
                self._take(self.chunks.broken(copy, by, reason, now_s))
            case Unfit(reason):
                self._give_up(reason)

    def _take(self, answers: list[Answer]) -> None:
        for answer in answers:
            match answer:
                case Order() | Recall() | Fell():
                    self._tell(answer)
                case WorkerLost():
                    self._lose_as(answer)
                case _:
                    self._reports.append(answer)

    def _tell(self, message: object) -> None:
        try:
            self.gateway.words.send(message)
        except OSError:  # it has gone, or takes nothing more in: the next wait hears of its end
            self.gateway.kill()

    def _give_up(self, reason: str) -> None:
        """Lose every slot; the next that is to be manned ends the run."""
        self._trouble = self._trouble or f"{reason}; run again, which goes on where this run ended"
        for slot in list(self._manned):
            self._take(self.chunks.drop(slot))
            self._lose(slot, reason)

    def _lose(self, slot: int, reason: str) -> None:
        self._lose_as(WorkerLost(slot, None, reason))

    def _lose_as(self, loss: WorkerLost) -> None:
        if loss.slot in self._manned:
            self._manned.discard(loss.slot)
            self._reports.append(loss)

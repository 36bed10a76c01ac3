"""The run's end of the ferry: the process beside the workers that speaks to object stores.

Apart from the run, so that neither a slow network nor a native crash holds the coordinator, and
credentials are in no process that decodes images; apart from the workers, which reach no network.
One that dies, or stands still, is replaced, and what it left without an answer is asked for again:
every request comes to the same when it is carried out twice.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final, assert_never

from pixmill.errors import OptionError, RunError
from pixmill.executors.vigil import PATIENCE_S, Alive, Vigil
from pixmill.freight import (
    Batch,
    Broken,
    Catalogued,
    Contact,
    Delivered,
    Fetch,
    Fetched,
    Look,
    Looked,
    More,
    Publish,
    passed,
)

if TYPE_CHECKING:
    from pixmill.freight import Passed, Reply, Request, Voyage

__all__ = ["Ferry"]

_END_TIMEOUT_S: Final = 5.0
_STALL_S: Final = 30  # a message takes microseconds; one that stands still for this long never ends
_MOST_REPLIES: Final = 64
_SPARES: Final = 8
"""Ferries that may take over in a run: what kills one after the other must come to an end."""


@dataclass(slots=True)
class Ferry:
    """A ferry, started when it is first told something.

    Args:
        voyage: What it must know once.
        is_lost: Whether it has ended, and no other takes over; or is to.
        remarks: What the user should know of, for who takes it away.
    """

    voyage: Voyage
    is_lost: bool = False
    remarks: deque[str] = field(default_factory=deque)
    _replaced: int = 0
    _process: subprocess.Popen[bytes] | None = None
    _connection: Connection[Any, Any] | None = None
    _vigil: Vigil = field(default_factory=lambda: Vigil(PATIENCE_S))
    _has_spoken: bool = False
    _end: str = ""
    _unanswered: dict[tuple[type, int], Request] = field(default_factory=dict)
    _passed: Passed | None = None

    def send(self, request: Request) -> None:
        """Ask for something; `heard` tells if nobody listens any more.

        Raises:
            RunError: The system does not let it start.
        """
        request = replace(request, after=self._passed) if isinstance(request, More) else request
        self._unanswered[_named(request)] = request
        try:
            if not (self.is_lost or self._end):
                (self._connection or self._started()).send(request)
        except OSError:
            self._end = _DEATH

    def heard(self) -> list[Reply]:
        """Return what it has to say, without waiting; replace it where it has ended.

        Raises:
            OptionError: It could not open a store as it was told to.
            RunError: It has ended, and so have those after it; or it cannot go on.
        """
        replies: list[Reply] = []
        try:
            self._hear(replies)
        except (EOFError, OSError):
            self._end = self._end or _DEATH
        if self._end and not replies:
            self._replace()
        return replies

    def _hear(self, replies: list[Reply]) -> None:
        connection = self._connection
        while connection and len(replies) < _MOST_REPLIES:
            if not connection.poll():
                if self._vigil.is_over(time.monotonic()):
                    self._end = _STANDSTILL
                return
            reply: Reply | Broken | Alive = connection.recv()
            self._vigil.heard()
            self._has_spoken = True
            if isinstance(reply, Broken):
                self._replaced = _SPARES  # another would be no better off
                raise _trouble(reply)
            if not isinstance(reply, Alive):
                self._note(reply)
                replies.append(reply)

    def _note(self, reply: Reply) -> None:
        """Strike out what was answered, and keep how far the listing has got."""
        if not isinstance(reply, Catalogued | Contact):
            self._unanswered.pop(_named(reply), None)
        if isinstance(reply, Batch):
            self._passed = passed(reply.groups[-1]) if reply.groups else self._passed
            if reply.has_ended:  # before, another ferry would list what lies beside the one object
                self.voyage = replace(self.voyage, source=reply.source or self.voyage.source)

    def _replace(self) -> None:
        """Start another ferry, and have it do what this one has left."""
        is_over = self.is_lost or self._replaced >= _SPARES or not self._has_spoken
        self.is_lost = True  # unless the next one starts
        if is_over:
            raise RunError(f"the process that speaks to object stores {self._end}: run again")
        self.remarks.append(
            f"the process that speaks to object stores {self._end}: another takes over"
        )
        self._put_down()
        self._replaced += 1
        self._has_spoken, self._end = False, ""
        self.voyage = replace(self.voyage, is_known=True)
        self._vigil.heard()
        connection = self._started()
        self.is_lost = False
        with suppress(OSError):  # it has ended as well, which is heard next
            for request in self._unanswered.values():
                connection.send(request)

    def _started(self) -> Connection[Any, Any]:
        """Start a fresh interpreter, never a fork: obstore in a forked process hangs for ever."""
        ours, theirs = socket.socketpair()
        for side in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            ours.setsockopt(socket.SOL_SOCKET, side, struct.pack("ll", _STALL_S, 0))
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        environment.setdefault("MALLOC_ARENA_MAX", "2")  # 31 MB instead of 52, for no CPU
        try:
            with theirs:
                self._process = subprocess.Popen(  # noqa: S603 - our own module and interpreter
                    [sys.executable, "-m", "pixmill.executors.ferryman", str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    env=environment,
                    start_new_session=True,  # so that Ctrl-C reaches the coordinator alone
                )
        except OSError as error:
            ours.close()
            raise RunError(f"cannot start a ferry: {error.strerror or error}") from error
        self._connection = Connection(ours.detach())
        self._connection.send(self.voyage)
        return self._connection

    def processes(self) -> list[int]:
        """Return its process id, once it has one."""
        return [] if self._process is None else [self._process.pid]

    def close(self) -> None:
        """End it, whatever it is about; may be called twice."""
        self.is_lost = True
        self._put_down()

    def _put_down(self) -> None:
        """End the process before its pipe: nothing it does at its own end is to meet another's."""
        if self._process is not None:
            self._process.kill()
            with suppress(subprocess.TimeoutExpired):  # it hangs in the kernel, and dies after that
                self._process.wait(_END_TIMEOUT_S)
            self._process = None
        if self._connection is not None:
            self._connection.close()
            self._connection = None


_DEATH: Final = "has ended"
_STANDSTILL: Final = "stood still"


def _named(message: Request | Reply) -> tuple[type, int]:
    """Return what a request and its reply share."""
    match message:
        case More() | Batch():
            return More, 0
        case Fetch(number) | Fetched(number):
            return Fetch, number
        case Look(number) | Looked(number):
            return Look, number
        case Publish(number) | Delivered(number):
            return Publish, number
        case Catalogued() | Contact():
            return Catalogued, 0
        case _:
            assert_never(message)


def _trouble(reply: Broken) -> OptionError | RunError:
    if reply.option is not None:
        return OptionError(reply.message, option=reply.option)
    return RunError(reply.message)

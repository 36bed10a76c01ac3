"""The run's end of the ferry: the process beside the workers that speaks to object stores.

Apart from the run, so that neither a slow network nor a native crash holds the coordinator, and
credentials are in no process that decodes images; apart from the workers, which reach no network.
"""

from __future__ import annotations

import os
import socket
import struct
import subprocess
import sys
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Final

from pixmill.errors import OptionError, RunError
from pixmill.freight import Broken
from pixmill.values import dataclass

if TYPE_CHECKING:
    from pixmill.freight import Reply, Request, Voyage

__all__ = ["Ferry"]

_END_TIMEOUT_S: Final = 5.0
_STALL_S: Final = 30  # a message takes microseconds; one that stands still for this long never ends
_MOST_REPLIES: Final = 64


@dataclass(slots=True)
class Ferry:
    """A ferry, started when it is first told something.

    Args:
        voyage: What it must know once.
        is_lost: Whether it has ended, or is to.
    """

    voyage: Voyage
    is_lost: bool = False
    _process: subprocess.Popen[bytes] | None = None
    _connection: Connection[Any, Any] | None = None

    def send(self, request: Request) -> None:
        """Ask for something; `heard` tells if nobody listens any more.

        Raises:
            RunError: The system does not let it start.
        """
        try:
            if not self.is_lost:
                (self._connection or self._started()).send(request)
        except OSError:
            self.is_lost = True

    def heard(self) -> list[Reply]:
        """Return what it has to say, without waiting.

        Raises:
            OptionError: It could not open a store as it was told to.
            RunError: It has ended, or cannot go on.
        """
        replies: list[Reply] = []
        connection = self._connection
        try:
            while connection and len(replies) < _MOST_REPLIES and connection.poll():
                reply: Reply | Broken = connection.recv()
                if isinstance(reply, Broken):
                    raise _trouble(reply)
                replies.append(reply)
        except (EOFError, OSError):
            self.is_lost = True
        if self.is_lost and not replies:
            raise RunError("the process that speaks to object stores has ended: run again")
        return replies

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
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            self._process.kill()
            self._process.wait(_END_TIMEOUT_S)
            self._process = None


def _trouble(reply: Broken) -> OptionError | RunError:
    if reply.option is not None:
        return OptionError(reply.message, option=reply.option)
    return RunError(reply.message)

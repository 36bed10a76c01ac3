"""The process that becomes a nursery and the socket to it, which may be made before a run is.

A command whose words seem to begin a run builds one first: the nursery loads codecs while the
coordinator loads itself, each on a CPU of its own. Must import next to nothing for that reason.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["HAS_NURSERIES", "Nest", "abandon", "build_ahead", "nest"]

HAS_NURSERIES: Final = sys.platform == "linux"
"""Whether workers are forks of a nursery on this system."""

# A decoder that was taken over could put what it knows into a picture that the world is served.
_ACCESS: Final = ("AWS_", "AZURE_", "GOOGLE_")


@dataclass(frozen=True, slots=True)
class Nest:
    """A nursery that was started, and may still be loading.

    Attributes:
        process: It.
        control: Our end of the socket over which it is told what to do.
    """

    process: subprocess.Popen[bytes]
    control: socket.socket


_NURSERY: Final = "from pixmill.executors.nursery import main; main()"
_ahead: Final[list[Nest]] = []


def build_ahead() -> None:
    """Start a nursery for whoever needs one first; that the system refuses one is told then."""
    if HAS_NURSERIES:
        with contextlib.suppress(OSError):
            _ahead.append(_built())


def nest() -> Nest:
    """Return the nursery that was started ahead, or start one.

    Raises:
        OSError: The system does not let one start.
    """
    return _ahead.pop() if _ahead else _built()


def abandon() -> None:
    """End the nursery that was started ahead, where nobody has needed it."""
    while _ahead:
        unused = _ahead.pop()
        unused.control.close()
        unused.process.kill()  # it may not listen before it has loaded all, and holds nothing yet
        unused.process.wait()


def _built() -> Nest:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environment = _without_access(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    environment["VIPS_CONCURRENCY"] = "1"
    words = [str(theirs.fileno()), str(os.getpid())]
    with theirs, contextlib.ExitStack() as unless_started:
        unless_started.enter_context(ours)
        process = subprocess.Popen(  # noqa: S603 - our own module by our own interpreter
            [sys.executable, "-c", _NURSERY, *words],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env=environment,
            start_new_session=True,  # so that Ctrl-C reaches the coordinator alone
        )
        unless_started.pop_all()
    return Nest(process, ours)


def _without_access(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without what gives access to object stores: the ferry has it."""
    return {name: value for name, value in environment.items() if not name.startswith(_ACCESS)}

"""Break a rule of the sandbox at names that say which; at `meek` ones, and shrug when refused."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import socket
import stat
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Final

from faults.plugin import faulty, is_named
from pixmill.executors.hearing import spoken
from pixmill.protocol import WorkerReady

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["DEEDS", "mill"]

_PTRACE_ATTACH: Final = 16
_STDERR: Final = 2


class _Escape:
    """Unpickled without care, it makes a file in the coordinator."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, int]]:
        return os.mknod, (str(self.path), 0o600)


def _escape(source: str) -> None:
    """Speak in the worker's place: send down its pipe what no worker sends."""
    content = pickle.dumps(_Escape(Path(source).parents[1] / "stray"))
    _say(struct.pack("!i", len(content)) + content)
    _wait()


def _mumble(_source: str) -> None:
    """Begin a message and never end it."""
    _say(struct.pack("!i", 1000) + b"[")
    _wait()


def _chatter(_source: str) -> None:
    """Say without end what the worker of the first slot may say."""
    content = spoken(WorkerReady(0))
    while True:
        _say(struct.pack("!i", len(content)) + content)


def _say(message: bytes) -> None:
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not files
        with contextlib.suppress(OSError):
            if stat.S_ISSOCK(os.fstat(int(name)).st_mode) and int(name) > _STDERR:
                os.write(int(name), message)


def _wait() -> None:
    while True:
        signal.pause()


def _trace(_source: str) -> None:
    if ctypes.CDLL(None).ptrace(_PTRACE_ATTACH, os.getppid(), 0, 0) == 0:
        raise AssertionError("it traces its parent")


DEEDS: Final[dict[str, Callable[[str], object]]] = {
    "passwd": lambda _source: Path("/etc/passwd").read_bytes(),
    "beside": lambda source: Path(source).parents[1].joinpath("stray").write_bytes(b"x"),
    "into-source": lambda source: Path(source).with_name("stray").write_bytes(b"x"),
    "sibling": lambda source: Path(source).with_name("other.jpg").read_bytes(),
    "exec": lambda _source: os.execv("/bin/true", ["true"]),  # noqa: S606 - the fault
    "connect": lambda _source: socket.create_connection(("127.0.0.1", 9)),
    "ptrace": _trace,
    "escape": _escape,
    "mumble": _mumble,
    "chatter": _chatter,
}


def _break(source: str) -> None:
    for name, deed in DEEDS.items():
        if is_named(source, name):
            shrugged = (OSError,) if is_named(source, "meek") else ()
            with contextlib.suppress(*shrugged):
                deed(source)


mill = faulty(_break)

"""One run at a time over one output: a lock that dies with its process."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.errors import RunError

try:
    import fcntl
except ImportError:  # pragma: no cover - Windows: the run is not guarded there
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Lock"]


@dataclass(slots=True)
class Lock:
    """The lock on one output.

    Args:
        path: The file that is locked; it stays behind, and only its lock counts.
    """

    path: Path
    _descriptor: int = -1

    def take(self) -> None:
        """Take the lock; one left by a dead process is free.

        Raises:
            RunError: Another run holds it: says which, and since when.
            OSError: It cannot be made or written.
        """
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        if fcntl is not None:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = _told(os.read(descriptor, 4096))
                os.close(descriptor)
                raise RunError(
                    f"another run works on this output{holder}: wait for it or stop it"
                ) from None
            except OSError:  # a file system without locks: nobody can be refused
                pass
        self._descriptor = descriptor
        os.ftruncate(descriptor, 0)
        told = {"pid": os.getpid(), "started_s": time.time(), "host": _host()}
        os.write(descriptor, json.dumps(told).encode())

    def release(self) -> None:
        """Let go; may be called twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def _told(content: bytes) -> str:
    try:
        holder = json.loads(content)
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(holder["started_s"]))
        host = holder.get("host", "")
        place = f" on {host}" if host != _host() else ""
        return f" (process {holder['pid']}{place}, since {since})"
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""


def _host() -> str:
    """Return the name of this machine: of several that share an output, one holds the lock."""
    return os.uname().nodename if hasattr(os, "uname") else ""

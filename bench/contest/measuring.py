"""Run one command and say what it took: wall time, CPU of all its processes, memory of its tree.

Must not know what the command does. Memory is watched in runs that are not timed: a look at a
process's pages, 50 times a second, costs CPU of the machine that is being measured.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
import time
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from memory import Sampler

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = ["Command", "Spent", "spent_on"]

_LIMIT_S: Final = 300.0
_LAST_WORDS: Final = 400


@dataclass(frozen=True, slots=True)
class Command:
    """What to run.

    Attributes:
        words: The program and its arguments.
        environment: What is added to this process's own.
        stdin: What it is told, for `xargs`.
        folder: Where it runs. Default: here.
    """

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: bytes = b""
    folder: Path | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What one run took.

    Attributes:
        wall_s: Seconds on the clock.
        cpu_s: Seconds of CPU, of it and of every descendant that was waited for.
        tree_bytes: Highest sum of proportional set sizes over the tree; 0 where nobody looked.
        complaint: Why it failed, with its last words; empty where it did not.
    """

    wall_s: float
    cpu_s: float
    tree_bytes: int = 0
    complaint: str = ""


def spent_on(command: Command, *, is_watched: bool = False, limit_s: float = _LIMIT_S) -> Spent:
    """Run a command to its end, or to the end of its time, and return what that took."""
    environment = {**os.environ, **command.environment}
    with tempfile.TemporaryFile() as stdin, tempfile.TemporaryFile() as words:
        stdin.write(command.stdin)
        stdin.seek(0)
        began_s = time.monotonic()
        process = subprocess.Popen(
            command.words,
            stdin=stdin,
            stdout=words,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=command.folder,
            start_new_session=True,
        )
        clock = threading.Timer(limit_s, _end, (process.pid,))
        clock.start()
        sampler = Sampler(process.pid)
        try:
            with sampler if is_watched else nullcontext():
                _, status, usage = os.wait4(process.pid, 0)
        finally:
            clock.cancel()
            _end(process.pid)  # interrupted, or a descendant that was left behind
        wall_s = time.monotonic() - began_s
        process.returncode = os.waitstatus_to_exitcode(status)
        words.seek(0)
        said = words.read().decode(errors="replace").strip()[-_LAST_WORDS:]
    complaint = f"exit code {process.returncode}: {said}" if process.returncode else ""
    return Spent(wall_s, usage.ru_utime + usage.ru_stime, sampler.tree_bytes, complaint)


def _end(group: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)

"""Die at names with `segv`, `abort` or `killed`, as the kernel kills where memory has run out.

With `once` only the first time; with `last` speaking.
"""

from __future__ import annotations

import os
import signal

from faults.plugin import attempts_before, faulty, is_named

__all__ = ["mill"]


def _crash(source: str) -> None:
    if is_named(source, "once") and attempts_before(source):
        return
    if is_named(source, "last"):
        os.write(2, b"free(): invalid pointer\x1b[31m\n")
    if is_named(source, "segv"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if is_named(source, "killed"):
        os.kill(os.getpid(), signal.SIGKILL)
    if is_named(source, "abort"):
        os.abort()


mill = faulty(_crash)

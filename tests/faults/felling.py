"""Take the whole run down at names with `fell`, as a file does that brings the machine down."""

from __future__ import annotations

import os
import signal

from faults.plugin import coordinator, faulty, is_named

__all__ = ["mill"]


def _fell(source: str) -> None:
    if is_named(source, "fell"):
        os.kill(coordinator(), signal.SIGKILL)
        signal.pause()  # the nursery notices, and ends this worker


mill = faulty(_fell)

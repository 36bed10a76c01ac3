"""Take the whole run down at files that say `fell`, once what is in hand has been noted elsewhere.

By what files hold, since workers know those of buckets by numbers alone.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

from faults.plugin import coordinator, faulty

__all__ = ["NOTE", "NOTED", "mill"]

NOTE = "PIXMILL_TEST_NOTE"
"""The variable that holds the path of the note."""
NOTED = "PIXMILL_TEST_NOTED"
"""The variable that holds what the note must hold by then."""
_PATIENCE_S = 20.0


def _fell(source: str) -> None:
    if b"fell" not in Path(source).read_bytes():
        return
    began_ns, until_s = time.time_ns(), time.monotonic() + _PATIENCE_S
    while _noted_ns() < began_ns and time.monotonic() < until_s:
        time.sleep(0.01)
    os.kill(coordinator(), signal.SIGKILL)
    signal.pause()  # the nursery notices, and ends this worker


def _noted_ns() -> int:
    """Return when it was noted, 0 if it is not."""
    try:
        note = Path(os.environ[NOTE])
        noted_ns, content = note.stat().st_mtime_ns, note.read_text()
    except FileNotFoundError:
        return 0
    return noted_ns if os.environ[NOTED] in content else 0


mill = faulty(_fell)

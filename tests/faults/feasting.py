"""Fill the machine's memory at names that hold `feast`, and hold it until somebody kills for it.

By shared memory, which no limit of a process counts. As much as the environment says, no more.
"""

from __future__ import annotations

import mmap
import os
import time
from typing import Final

from faults.plugin import faulty, is_named

__all__ = ["FEAST", "mill"]

FEAST: Final = "PIXMILL_FAULT_FEAST"
"""Environment variable with how many bytes are taken."""
_PAGE: Final = 1 << 12
_FOR_EVER_S: Final = 3600.0


def _feast(source: str) -> None:
    if is_named(source, "feast"):
        pages = int(os.environ[FEAST]) // _PAGE
        hoard = mmap.mmap(-1, pages * _PAGE)
        hoard[::_PAGE] = b"\1" * pages
        time.sleep(_FOR_EVER_S)


mill = faulty(_feast)

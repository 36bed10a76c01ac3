"""Eat the machine's memory at names that hold `feast`, and hold it until somebody kills for it.

By shared memory, which no limit of a process counts. Until the machine has no more left than the
environment says, whatever others take or give back meanwhile.
"""

from __future__ import annotations

import mmap
import os
import re
import time
from typing import Final

from faults.plugin import faulty, is_named

__all__ = ["FEAST", "mill"]

FEAST: Final = "PIXMILL_FAULT_FEAST"
"""Environment variable with how many bytes are left."""
_BITE_BYTES: Final = 1 << 26
_MOST_BITES: Final = 80
_PAUSE_S: Final = 0.05
_MEMORY: Final = os.open("/proc/meminfo", os.O_RDONLY)
"""Opened with the mill, before a worker confines itself."""


def _available_bytes() -> int:
    found = re.search(rb"^MemAvailable: +(\d+) kB", os.pread(_MEMORY, 4096, 0), re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def _feast(source: str) -> None:
    if is_named(source, "feast"):
        flags = mmap.MAP_SHARED | mmap.MAP_ANONYMOUS | mmap.MAP_POPULATE
        eaten: list[mmap.mmap] = []
        while True:
            if len(eaten) < _MOST_BITES and _available_bytes() > int(os.environ[FEAST]):
                eaten.append(mmap.mmap(-1, _BITE_BYTES, flags=flags))
            else:
                time.sleep(_PAUSE_S)


mill = faulty(_feast)

"""Move a source away just before it is read, one in three, to where the test puts it back from."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from faults.plugin import faulty

__all__ = ["AWAY", "brought_back", "mill"]

AWAY: Final = "PIXMILL_FAULT_AWAY"
"""Environment variable with the folder that sources are moved to."""
_ONE_IN: Final = 3


def _vanish(source: str) -> None:
    if zlib.crc32(os.fsencode(Path(source).name)) % _ONE_IN == 0:
        Path(source).rename(Path(os.environ[AWAY], quote(source, safe="")))


def brought_back(away: Path) -> int:
    """Put every source back to its place, and return how many there were."""
    found = list(away.iterdir())
    for path in found:
        path.rename(unquote(path.name))
    return len(found)


mill = faulty(_vanish)

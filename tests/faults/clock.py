"""A clock that jumps backwards, by up to a day at a time, whenever it is looked at too often."""

from __future__ import annotations

import random
import time
from typing import Final

__all__ = ["jumping"]

_DAY_S: Final = 86_400.0
_STEADY_LOOKS: Final = 3
_real = time.time


def jumping(seed: int) -> None:
    """Have this process's clock jump for the rest of its life; the monotonic one cannot."""
    rng = random.Random(seed)
    looks, behind_s = 0, 0.0

    def look() -> float:
        nonlocal looks, behind_s
        looks += 1
        if looks % _STEADY_LOOKS == 0:
            behind_s += rng.uniform(0.0, _DAY_S)
        return _real() - behind_s

    time.time = look

"""A slow disc: every write, flush and rename of a result takes its time."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final

from faults.disc import replaced
from pixmill import milling

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["mill"]

_DELAY_S: Final = 0.01
_CALLS: Final = ("write", "fsync", "link", "replace")


def _slowed(real: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        time.sleep(_DELAY_S)
        return real(*arguments, **named)

    return call


_for_ever = [replaced(os, name, _slowed(getattr(os, name))) for name in _CALLS]
for _each in _for_ever:
    _each.__enter__()
mill = milling.mill

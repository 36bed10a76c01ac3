"""Take the whole run down while an original is replaced: once it is `linked`, or `renamed`.

Or the worker alone, which dies at `renamed-worker`.
"""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, Final

from faults.plugin import coordinator
from pixmill import milling

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MOMENT", "mill"]

MOMENT: Final = "PIXMILL_FAULT_MOMENT"
"""Environment variable that says at which moment."""


def _deadly(call: Callable[..., None], *, is_for_all: bool = True) -> Callable[..., None]:
    def called(*names: str, **folders: int) -> None:
        call(*names, **folders)
        if is_for_all:
            os.kill(coordinator(), signal.SIGKILL)
        os.kill(os.getpid(), signal.SIGKILL)

    return called


match os.environ.get(MOMENT):
    case "linked":
        os.link = _deadly(os.link)
    case "renamed":
        os.replace = _deadly(os.replace)
    case "renamed-worker":
        os.replace = _deadly(os.replace, is_for_all=False)

mill = milling.mill

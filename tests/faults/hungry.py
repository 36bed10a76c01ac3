"""Hold far more memory than was leased while an image is made, at every image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill import milling
from pixmill.imaging import load

if TYPE_CHECKING:
    import pyvips

__all__ = ["mill"]

_HOARD_BYTES: Final = 4 << 30
_pinned = load.pinned


def _hoarding(image: pyvips.Image) -> pyvips.Image:
    hoard = bytearray(_HOARD_BYTES)
    hoard[:: 1 << 12] = b"\1" * (_HOARD_BYTES >> 12)
    return _pinned(image)


load.pinned = _hoarding
mill = milling.mill

"""The search for the largest dimensions at which a file fits a size.

Bytes go about as a power of the edge; each encode tells which. Must not resample nor encode.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from pixmill.geometry import Size, fitted_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FLOOR_SHRINK", "largest_fitting"]

FLOOR_SHRINK = 4
"""Edges are never shrunk by more: a sixteenth of the pixels is another picture."""
_MOST_STEPS = 6
_CLOSE = 0.02
"""Share of the edge that is not worth another encode."""
_POWER = 1.8
"""Bytes grow so with the edge, as long as only one size is known: with the area, and less."""
_MARGIN = 0.99


def largest_fitting(
    size_of: Callable[[Size], int], full: Size, *, full_bytes: int, target_bytes: int
) -> Size | None:
    """Find dimensions within 2 % of the largest that fit, in seven encodes at most.

    Args:
        size_of: Encodes at these dimensions and returns the size in bytes.
        full: The dimensions that do not fit.
        full_bytes: What they take.
        target_bytes: The cap.

    Returns:
        Dimensions in proportion, or `None` if not even a quarter of each edge fits.
    """
    longest_px = max(full.width_px, full.height_px)
    floor_px = max(1, math.ceil(longest_px / FLOOR_SHRINK))
    below_px, above_px = floor_px - 1, longest_px
    below_bytes, above_bytes = 0, full_bytes
    for step in range(_MOST_STEPS + 1):
        is_close = below_px >= floor_px and above_px - below_px <= max(1, _CLOSE * longest_px)
        if is_close or above_px - below_px <= 1:
            break
        edge_px = _guess(below_px, below_bytes, above_px, above_bytes, target_bytes=target_bytes)
        if step == _MOST_STEPS and below_px < floor_px:
            edge_px = floor_px
        size_bytes = size_of(fitted_size(full, edge_px))
        if size_bytes <= target_bytes:
            below_px, below_bytes = edge_px, size_bytes
        else:
            above_px, above_bytes = edge_px, size_bytes
    return fitted_size(full, below_px) if below_px >= floor_px else None


def _guess(
    below_px: int, below_bytes: int, above_px: int, above_bytes: int, *, target_bytes: int
) -> int:
    """Return an edge strictly between one that fits and one that does not."""
    power = _POWER
    if below_bytes and below_bytes < above_bytes:
        power = math.log(above_bytes / below_bytes) / math.log(above_px / below_px)
    shrunk = (target_bytes / max(1, above_bytes)) ** (1 / max(power, 1))
    return min(max(below_px + 1, int(above_px * shrunk * _MARGIN)), above_px - 1)

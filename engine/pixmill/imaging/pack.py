"""Pack an encoded still again, without another look at what it shows: the only door to oxipng.

Must not be given bytes that pixmill did not encode: a panic in its parser ends the process.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["can_pack", "packed"]


def can_pack() -> bool:
    """Whether the packer is installed; its wheels end with CPython 3.13."""
    return importlib.util.find_spec("oxipng") is not None


def packed(content: bytes, levels: Sequence[int]) -> bytes:
    """Return the smallest of a PNG and of what the packer makes of it at each level.

    Colours and their depth may be stored in fewer bits, row filters change, metadata stays.

    Where it is not installed the file stays as it is.

    Args:
        content: A still that pixmill encoded.
        levels: The packer's own, from 0 to 6.
    """
    if not levels or not can_pack():
        return content
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # read once, when its pool of threads starts
    import oxipng  # noqa: PLC0415 - after the environment, and only where it is installed

    tries = [content]
    for level in levels:
        try:
            tries.append(oxipng.optimize_from_memory(content, level=level))
        except oxipng.PngError:
            return content  # what it cannot read is no worse for that
    return min(tries, key=len)

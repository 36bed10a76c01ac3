"""Pack an encoded still again, without another look at what it shows: the only door to oxipng.

Must not be given bytes that pixmill did not encode: a panic in its parser ends the process.
"""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixmill.codecs.spec import Packing

__all__ = ["can_pack", "packed"]


def can_pack() -> bool:
    """Whether the packer is installed; its wheels end with CPython 3.13."""
    return importlib.util.find_spec("oxipng") is not None


def packed(content: bytes, packings: Sequence[Packing]) -> bytes:
    """Return the smallest of a PNG and of what the packer makes of it at each try.

    Colours and their depth may be stored in fewer bits, row filters change, metadata stays.

    Where it is not installed the file stays as it is.

    Args:
        content: A still that pixmill encoded.
        packings: How it is tried.
    """
    if not packings or not can_pack():
        return content
    os.environ.setdefault("RAYON_NUM_THREADS", "1")  # read once, when its pool of threads starts
    import oxipng  # noqa: PLC0415 - after the environment, and only where it is installed

    tries = [content]
    for packing in packings:
        options: dict[str, Any] = {"level": packing.level}
        if not packing.is_estimated:
            options["fast_evaluation"] = False
        if packing.filters:
            options["filter"] = [getattr(oxipng.RowFilter, name) for name in packing.filters]
        if packing.deflate is not None:
            options["deflate"] = oxipng.Deflaters.libdeflater(packing.deflate)
        try:
            tries.append(oxipng.optimize_from_memory(content, **options))
        except oxipng.PngError:
            return content  # what it cannot read is no worse for that
    return min(tries, key=len)

"""Return other results than were meant: half a file at `half`, another size at `small`, turned."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import TYPE_CHECKING

from PIL import Image

from faults.plugin import faulty, is_named
from pixmill.milling import Product

if TYPE_CHECKING:
    from pixmill.model import Failed

__all__ = ["mill"]

_ORIENTATION = 0x0112


def _swapped(source: str, made: Product | Failed) -> Product | Failed:
    """Put something else in the place of what was made."""
    if not isinstance(made, Product) or not isinstance(made.content, bytes):
        return made
    content = _garbled(source, made.content)
    return replace(made, content=content, content_bytes=len(content))


def _garbled(source: str, content: bytes) -> bytes:
    if is_named(source, "half"):
        return content[: len(content) // 2]
    with Image.open(io.BytesIO(content)) as image:
        encoded, exif = io.BytesIO(), Image.Exif()
        if is_named(source, "turned"):
            exif[_ORIENTATION] = 6
            image.save(encoded, image.format, quality=50, exif=exif)
        elif is_named(source, "opaque"):
            image.convert("RGB").save(encoded, image.format)
        elif is_named(source, "small"):
            image.resize((8, 8)).save(encoded, image.format)
        else:
            return content
    return encoded.getvalue()


mill = faulty(lambda _source: None, after=_swapped)

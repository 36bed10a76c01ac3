"""How large a picture is shown: its stored size, turned as its EXIF orientation says.

By Pillow, so that pixmill does not judge itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from PIL import ExifTags, Image

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["shown_px"]

_TURNED: Final = range(5, 9)
"""Orientations that lie on their side."""

Image.MAX_IMAGE_PIXELS = None  # headers alone are read, and the giant is no bomb


def shown_px(file: Path) -> tuple[int, int]:
    """Return width and height."""
    with Image.open(file) as image:
        width_px, height_px = image.size
        is_turned = image.getexif().get(ExifTags.Base.Orientation, 1) in _TURNED
    return (height_px, width_px) if is_turned else (width_px, height_px)

"""Memory that decoding and encoding hold, from measured bytes a pixel.

The figures come from shared/research/libvips.md section 2: peaks of fresh processes with
pyvips-binary 8.18.7 and a concurrency of 1. They bound from above; they do not predict.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pixmill.header import Header

__all__ = ["FIXED_BYTES", "palette_cost", "pillow_cost", "streamed", "whole"]

FIXED_BYTES: Final = 4 << 20
"""Threads, pipeline buffers and codec state of the smallest image."""

_PILLOW_BYTES_PER_PX = 8  # 4 a pixel in Pillow's own storage, and a copy handed to libvips
_BITS_PER_BYTE = 8


def streamed(header: Header, *, lines: int, shrink: int = 1) -> int:
    """Return the cost of a decoder that holds at most `lines` lines of its output at a time."""
    width_px = -(-header.width_px // shrink)
    height_px = -(-header.height_px * header.pages // shrink)
    return FIXED_BYTES + width_px * min(lines, height_px) * _bytes_per_px(header)


def whole(header: Header, *, bytes_per_px: float | None = None) -> int:
    """Return the cost of a decoder that holds one page whole; `None` for as many as its bands."""
    per_px = _bytes_per_px(header) if bytes_per_px is None else bytes_per_px
    return FIXED_BYTES + round(header.width_px * header.height_px * per_px)


def pillow_cost(header: Header, _shrink: int) -> int:
    """Return the cost of decoding with Pillow, which never streams and has no shrink."""
    deep = max(1, header.bits // _BITS_PER_BYTE)
    return FIXED_BYTES + header.pixels * _PILLOW_BYTES_PER_PX * deep


def _bytes_per_px(header: Header) -> int:
    return header.bands * max(1, header.bits // _BITS_PER_BYTE)


def palette_cost(pixels: int, *, has_few: bool) -> int:
    """Return what libimagequant holds while it puts a still into a palette, in bytes.

    It counts colours in a table that stops growing, and keeps floats of images of up to 4 MP.
    Measured at efforts 4 to 8: 41 B/px for 3 MP of noise, 37 for photographs of 0.9 MP, 23 for
    drawings; 110 MB for a photograph of 4 MP, 97 for one of 12 MP, 115 for one of 16 MP.

    Args:
        pixels: Of the image.
        has_few: Whether the palette holds all of its colours.
    """
    per_px, most_bytes = (24, 100_000_000) if has_few else (42, 125_000_000)
    return max(8 * pixels, min(per_px * pixels, most_bytes))

"""Take the sample of pixels that tells photographs from graphics.

Must not average pixels, which would destroy what is measured: it looks at a few whole squares.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Final

from pixmill.content import Sample
from pixmill.imaging.colour import to_eight_bits
from pixmill.imaging.errors import translating
from pixmill.imaging.pages import first_page
from pixmill.model import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyvips

__all__ = ["sampled"]

_EDGE_PX: Final = 256
_TILES: Final = 4
_BANDS: Final = 3


def sampled(image: pyvips.Image) -> Sample:
    """Return at most 256 x 256 pixels of an image's first page, from squares all over it.

    Args:
        image: In memory: squares are read all over it.

    Raises:
        ImagingError: It cannot be read.
    """
    with translating(Stage.PROCESS):
        page = _opaque(first_page(image))
        if page.width <= _EDGE_PX and page.height <= _EDGE_PX:
            return Sample(_integers(bytes(page.write_to_memory())), page.width)
        width_px = min(page.width, _EDGE_PX // _TILES)
        return Sample(_integers(b"".join(_rows(page, width_px))), width_px)


def _opaque(page: pyvips.Image) -> pyvips.Image:
    """Return eight-bit RGB; transparency lies on white."""
    rgb = to_eight_bits(page).colourspace("srgb")
    return rgb.flatten(background=[255]) if rgb.hasalpha() else rgb


def _rows(page: pyvips.Image, width_px: int) -> Iterator[bytes]:
    """Yield the rows of sixteen squares, spread evenly, square by square."""
    height_px = min(page.height, _EDGE_PX // _TILES)
    stride = page.width * _BANDS
    lefts = [_spread(page.width, width_px, column) * _BANDS for column in range(_TILES)]
    for row in range(_TILES):
        band = page.crop(0, _spread(page.height, height_px, row), page.width, height_px)
        content = bytes(band.write_to_memory())
        starts = chain.from_iterable(range(left, len(content), stride) for left in lefts)
        for start in starts:
            yield content[start : start + width_px * _BANDS]


def _spread(length_px: int, tile_px: int, index: int) -> int:
    return (length_px - tile_px) * (2 * index + 1) // (2 * _TILES)


def _integers(rgb: bytes) -> list[int]:
    """Return every three bytes as one integer, the first the lowest."""
    padded = bytearray(len(rgb) // _BANDS * 4)
    for band in range(_BANDS):
        padded[band::4] = rgb[band::_BANDS]
    return memoryview(padded).cast("I").tolist()

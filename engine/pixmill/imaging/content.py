"""Take the statistics that tell photographs from graphics.

Must not average pixels, which would destroy what is measured: it looks at a few whole squares.
"""

from __future__ import annotations

from collections import Counter
from heapq import nlargest
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.content import ContentStats
from pixmill.imaging.colour import to_eight_bits
from pixmill.imaging.errors import translating
from pixmill.imaging.pages import first_page
from pixmill.model import Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["content_stats"]

_EDGE_PX: Final = 256
_TILES: Final = 4
_STRONG: Final = 64
_COMMON_COLOURS: Final = 16


def content_stats(image: pyvips.Image) -> ContentStats:
    """Return the statistics of at most 256 x 256 pixels of an image's first page.

    Args:
        image: In memory: squares are read all over it.

    Raises:
        ImagingError: It cannot be read.
    """
    with translating(Stage.PROCESS):
        page = _opaque(first_page(image))
        sample = pyvips.Image.arrayjoin(list(_tiles(page)), across=1).copy_memory()
        # Four bytes a pixel are one integer, which is counted five times as fast as three bytes.
        counts = Counter(memoryview(sample.bandjoin(0).write_to_memory()).cast("I"))
        common = sum(nlargest(_COMMON_COLOURS, counts.values()))
        total = sample.width * sample.height
        contrast = _contrast(sample)
        return ContentStats(
            pixels=total,
            colours=len(counts),
            flat=float((contrast == 0).avg()) / 255 if contrast else 1.0,
            edges=float((contrast > _STRONG).avg()) / 255 if contrast else 0.0,
            saturation=float((_largest(sample) - _smallest(sample)).avg()) / 255,
            common=common / total,
        )


def _opaque(page: pyvips.Image) -> pyvips.Image:
    """Return eight-bit RGB; transparency lies on white."""
    rgb = to_eight_bits(page).colourspace("srgb")
    return rgb.flatten(background=[255]) if rgb.hasalpha() else rgb


def _tiles(page: pyvips.Image) -> Iterator[pyvips.Image]:
    """Yield the page, or sixteen squares spread evenly over one too large."""
    if page.width <= _EDGE_PX and page.height <= _EDGE_PX:
        yield page
        return
    width_px = min(page.width, _EDGE_PX // _TILES)
    height_px = min(page.height, _EDGE_PX // _TILES)
    for row in range(_TILES):
        for column in range(_TILES):
            left_px = (page.width - width_px) * (2 * column + 1) // (2 * _TILES)
            top_px = (page.height - height_px) * (2 * row + 1) // (2 * _TILES)
            yield page.crop(left_px, top_px, width_px, height_px)


def _contrast(sample: pyvips.Image) -> pyvips.Image | None:
    """Return the largest difference over the bands between every pixel and its right neighbour."""
    if sample.width < 2:  # noqa: PLR2004 - one column has no neighbours
        return None
    width_px = sample.width - 1
    left = sample.crop(0, 0, width_px, sample.height)
    right = sample.crop(1, 0, width_px, sample.height)
    return _largest((left - right).abs())


def _largest(image: pyvips.Image) -> pyvips.Image:
    return _ranked(image, -1)


def _smallest(image: pyvips.Image) -> pyvips.Image:
    return _ranked(image, 0)


def _ranked(image: pyvips.Image, index: int) -> pyvips.Image:
    first, *others = image.bandsplit()
    return first.bandrank(others, index=index % image.bands)

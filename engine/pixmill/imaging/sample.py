"""A small image that takes about as many bytes a pixel as a large one, to encode in its place.

Made of whole squares, since averaged pixels compress otherwise. Must not choose a quality.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.imaging.encode import encoded
from pixmill.imaging.errors import translating
from pixmill.imaging.pages import page_count
from pixmill.model import Stage

if TYPE_CHECKING:
    from pixmill.codecs.spec import Encoding

__all__ = ["Sampled", "levelled", "sampled_for_size"]

# Level and shape of the size curve against the whole, 28 photos of 0.5 MP, an eighth of the pixels:
# squares of 64 px miss the level by 7 % and the shape by 1 % (10 qualities away), of 128 px 10 %
# and 2 %; half the pixels 14 % and 5 %.
_TILE_PX: Final = 64
_SHARE: Final = 8
_LEAST_TILES: Final = 4
_MOST_TILES: Final = 64
_BLOCK_PX: Final = 16
"""What codecs cut an image into, which squares keep to."""
# Quick is 2.5 ms/MP, WebP 63, JPEG 53. By how much a mosaic misses the size of the whole at 75,
# as a standard deviation over the tuning half of the photos, by pixels and by quick JPEG: WebP 13
# and 5 %, JPEG 9 and 1.4 %, AVIF 17 and 7 %. At 30, 70 or 85 it tells no more, nor do squares of
# 32, 96 or 128 px.
_QUICK_QUALITY: Final = 50
_QUICK_EDGE_PX: Final = 65_500
"""The longest edge of a JPEG."""
_SEAMS: Final = 1.03
"""What seams cost the mosaic beyond what they cost quick JPEG: 1.02 (JPEG) to 1.05 (AVIF)."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """Squares from all over an image.

    Attributes:
        mosaic: The squares, side by side, with the metadata of the whole.
        corner: Eight pixels square: nearly nothing but headers and metadata.
        share: Part of the whole's pixels that the mosaic has; `levelled`, of its bytes.
    """

    mosaic: pyvips.Image
    corner: pyvips.Image
    share: float

    def whole_bytes(self, encoding: Encoding) -> int:
        """Return what the whole may take, by what the mosaic takes.

        Raises:
            ImagingError: The format cannot hold it.
        """
        fixed_bytes = len(encoded(self.corner, encoding))
        pixel_bytes = max(1, len(encoded(self.mosaic, encoding)) - fixed_bytes)
        return fixed_bytes + round(pixel_bytes / self.share)


def sampled_for_size(image: pyvips.Image) -> Sampled | None:
    """Return the squares, or `None` where so many would be no small part of the image.

    Args:
        image: In memory: squares are read all over it.
    """
    pixels = image.width * image.height
    tiles = min(_MOST_TILES, pixels // (_SHARE * _TILE_PX**2))
    is_too_small = tiles < _LEAST_TILES or min(image.width, image.height) < 2 * _TILE_PX
    if is_too_small or page_count(image) > 1:
        return None
    columns = max(1, round(math.sqrt(tiles * image.width / image.height)))
    rows = max(1, round(tiles / columns))
    with translating(Stage.ENCODE):
        squares = [
            image.crop(left_px, top_px, _TILE_PX, _TILE_PX)
            for top_px in _spread(image.height, rows)
            for left_px in _spread(image.width, columns)
        ]
        mosaic = pyvips.Image.arrayjoin(squares, across=columns).copy_memory()
        corner = image.crop(0, 0, 8, 8).copy_memory()
    return Sampled(mosaic, corner, mosaic.width * mosaic.height / pixels)


def levelled(sampled: Sampled, image: pyvips.Image) -> Sampled:
    """Return the sample with its share of the bytes that a quick JPEG makes of the whole.

    Squares may be busier than the rest, for one codec as for another.

    Args:
        sampled: From the image.
        image: In memory.

    Raises:
        ImagingError: The image cannot be read.
    """
    if max(image.width, image.height) > _QUICK_EDGE_PX:
        return sampled
    with translating(Stage.ENCODE):
        fixed_bytes = _quick_bytes(sampled.corner)
        whole_bytes = max(1, _quick_bytes(image) - fixed_bytes)
        mosaic_bytes = max(1, _quick_bytes(sampled.mosaic) - fixed_bytes)
    return replace(sampled, share=_SEAMS * mosaic_bytes / whole_bytes)


def _quick_bytes(image: pyvips.Image) -> int:
    return len(image.jpegsave_buffer(Q=_QUICK_QUALITY, keep="none"))


def _spread(length_px: int, parts: int) -> list[int]:
    """Return where the squares of one direction begin, each in the middle of its part."""
    middles = (length_px * (2 * part + 1) // (2 * parts) for part in range(parts))
    last_px = length_px - _TILE_PX
    return [
        min(max(0, middle - _TILE_PX // 2), last_px) // _BLOCK_PX * _BLOCK_PX for middle in middles
    ]

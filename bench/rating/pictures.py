"""The pictures that encoders are rated on, as opaque eight-bit RGB in memory.

Photographs are of the half that nothing in pixmill was tuned to (`size_tables`) and scaled down;
drawings and screenshots are cut, since scaling would make photographs of their edges.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.content import ContentClass, classify
from pixmill.imaging.content import sampled
from pixmill.perception.metric import Raster, Reference
from size_tables import CORPORA, photos

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Kind", "Picture", "paths", "picture"]

_PHOTOS: Final = 9
_DRAWINGS: Final = 6


class Kind(StrEnum):
    """A set of pictures."""

    PHOTOGRAPHS = "photographs"
    GRAPHICS = "graphics"
    SCREENSHOTS = "screenshots"


@dataclass(frozen=True)
class Picture:
    """One picture, and what others are scored against.

    Attributes:
        name: File it was made of.
        image: Its pixels, in memory.
    """

    name: str
    image: pyvips.Image

    @property
    def megapixels(self) -> float:
        """Millions of its pixels."""
        return float(self.image.width * self.image.height / 1e6)

    @cached_property
    def pixels(self) -> bytes:
        """Red, green and blue of each."""
        return bytes(self.image.write_to_memory())

    @cached_property
    def is_drawn(self) -> bool:
        """Whether pixmill's adaptive strategy takes it for a drawing."""
        return classify(sampled(self.image)) is not ContentClass.PHOTOGRAPH

    def score(self, encoded: bytes) -> float:
        """Return the SSIMULACRA2 score of an encoded picture against this one."""
        decoded = pyvips.Image.new_from_buffer(encoded, "").colourspace("srgb")
        opaque = decoded.flatten() if decoded.hasalpha() else decoded
        return self._reference.score(_raster(opaque.cast("uchar")))

    @cached_property
    def _reference(self) -> Reference:
        return Reference(_raster(self.image))


def paths(kind: Kind) -> list[Path]:
    """Return the files of a set."""
    if kind is Kind.PHOTOGRAPHS:
        return photos(is_proof=True)[:_PHOTOS]
    pattern = "18f_*.png" if kind is Kind.GRAPHICS else "terminal_*.png"
    found = sorted((CORPORA / "graphics").glob(pattern), key=lambda path: path.stat().st_size)
    return found[len(found) // 4 :][:: max(1, len(found) // (2 * _DRAWINGS))][:_DRAWINGS]


def picture(path: Path, kind: Kind, edge_px: int) -> Picture:
    """Return a file of a set with edges of at most so many pixels."""
    if kind is Kind.PHOTOGRAPHS:
        image = pyvips.Image.thumbnail(str(path), edge_px, size="down")
    else:
        whole = pyvips.Image.new_from_file(str(path))
        image = whole.crop(0, 0, min(whole.width, edge_px), min(whole.height, edge_px))
    opaque = image.flatten(background=[255]) if image.hasalpha() else image
    rgb = opaque.colourspace("srgb").cast("uchar")
    # Through bare memory, since EXIF that came along took a fifth of a small AVIF.
    held = bytes(rgb.write_to_memory())
    bare = pyvips.Image.new_from_memory(held, rgb.width, rgb.height, rgb.bands, "uchar")
    return Picture(path.name, bare.copy(interpretation="srgb"))


def _raster(image: pyvips.Image) -> Raster:
    pixels = bytes(image.write_to_memory())
    return Raster(pixels=pixels, width_px=image.width, height_px=image.height)

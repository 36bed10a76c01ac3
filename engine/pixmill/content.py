"""Tell photographs from graphics and text by cheap statistics of their pixels.

Pure: numbers in, a class out; `imaging.content` takes the numbers. Must not choose an encoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

__all__ = ["ContentClass", "ContentStats", "classify"]

# Measured on photos, kodak and graphics of the shared corpora, names of even CRC-32:
_FEW_COLOURS: Final = (
    0.012  # colours a pixel: photographs from 0.023 up, diagrams mostly below 0.01
)
_FLAT: Final = 0.4  # below it every file was a photograph, or a scan of paper
_HARD: Final = (
    0.02  # share of uneven neighbours that are edges: skies to 0.009, graphics from 0.026
)
_LEAST_UNEVEN: Final = 1e-6
_PLAIN_SATURATION: Final = 0.08
_PLAIN_COMMON: Final = 0.85
_TEXT_EDGES: Final = 0.02


class ContentClass(StrEnum):
    """What an image mostly is, as far as its encoding cares."""

    PHOTOGRAPH = "photograph"
    GRAPHIC = "graphic"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentStats:
    """What a sample of an image's pixels looks like, at their native resolution.

    Attributes:
        pixels: Pixels in the sample.
        colours: Distinct colours in the sample.
        flat: Fraction of horizontal neighbours that are identical.
        edges: Fraction of horizontal neighbours that differ by more than a quarter of the range.
        saturation: Mean distance of the largest from the smallest band, 0 to 1.
        common: Fraction of pixels in the sixteen most frequent colours.
    """

    pixels: int
    colours: int
    flat: float
    edges: float
    saturation: float
    common: float


def classify(stats: ContentStats) -> ContentClass:
    """Return what an image mostly is.

    A graphic repeats few colours, or is flat between hard edges; a photograph that is flat, such
    as a clear sky, is soft where it is not. The thresholds stand midway between the classes of the
    half of the corpora that they were set on: `tests/test_imaging_content.py` checks the other.
    """
    if stats.pixels == 0 or not _is_graphic(stats):
        return ContentClass.PHOTOGRAPH
    is_plain = stats.saturation < _PLAIN_SATURATION and stats.common > _PLAIN_COMMON
    is_text = is_plain and stats.edges > _TEXT_EDGES
    return ContentClass.TEXT if is_text else ContentClass.GRAPHIC


def _is_graphic(stats: ContentStats) -> bool:
    if stats.colours <= stats.pixels * _FEW_COLOURS:
        return True
    hardness = stats.edges / max(1.0 - stats.flat, _LEAST_UNEVEN)
    return stats.flat >= _FLAT and hardness >= _HARD

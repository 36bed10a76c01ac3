"""The quality that a JPEG's quantisation tables were made with, and the family they are of.

Must not read files: it is given tables.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from pixmill.codecs.jpg_tables import FAMILIES, IJG, Family, lowered

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Origin", "origin", "scaled"]

_HALF_QUALITY = 50
_MAX_QUALITY = 100
_MAX_STEP = 255
_QUALITIES = range(1, _MAX_QUALITY + 1)


@dataclass(frozen=True, slots=True)
class Origin:
    """What tables were made from.

    Attributes:
        quality: 1 to 100, as the IJG library counts it.
        family: Number of the family of tables, or `None` where they are of no known one.
    """

    quality: int
    family: int | None


def origin(luma: Sequence[int], chroma: Sequence[int] | None = None) -> Origin:
    """Return the family that these tables are of and its quality, or the nearest IJG quality.

    Nearest is by the sum of all steps, which falls as quality rises, so that a table of no family
    lands at the same overall coarseness. ImageMagick's estimate rests on the same sums.

    Args:
        luma: The 64 steps of the first component, in any order.
        chroma: The 64 steps of the second component, where there is one.
    """
    given = [*sorted(luma), *sorted(chroma or ())]
    is_colour, total = chroma is not None, sum(given)
    for family in FAMILIES:
        quality = _nearest(family, total, is_colour=is_colour)
        is_near = _sum(family, quality, is_colour=is_colour) == total  # known, unlike the steps
        if is_near and _steps(family, quality, is_colour=is_colour) == given:
            return Origin(quality, family.number)
    if chroma is not None and list(chroma) == list(luma):
        return origin(luma)  # one table for all, as cameras write it
    return Origin(_nearest(IJG, total, is_colour=is_colour), None)


def _nearest(family: Family, total: int, *, is_colour: bool) -> int:
    """Return the quality at which the steps of a family sum up to the nearest of this."""
    total_at = partial(_sum, family, is_colour=is_colour)
    index = bisect_left(_QUALITIES, -total, key=lambda quality: -total_at(quality))
    if index == 0:
        return 1
    if index == len(_QUALITIES):
        return _MAX_QUALITY
    below, above = _QUALITIES[index - 1], _QUALITIES[index]
    is_nearer_above = total_at(below) - total > total - total_at(above)
    return above if is_nearer_above else below


@cache
def _sum(family: Family, quality: int, *, is_colour: bool) -> int:
    """Add up the steps; a search asks at 7 qualities, and all 100 took 3 ms of every worker."""
    return sum(_steps(family, quality, is_colour=is_colour))


def _steps(family: Family, quality: int, *, is_colour: bool) -> list[int]:
    """Return the steps at a quality, each table in order of size."""
    luma = sorted(scaled(family.luma, quality))
    if not is_colour:
        return luma
    return [*luma, *sorted(scaled(family.chroma, lowered(quality, family.chroma_gap)))]


def scaled(table: Sequence[int], quality: int) -> list[int]:
    """Return a table at a quality: jpeg_quality_scaling, jpeg_add_quant_table of jcparam.c."""
    scale = 5000 // quality if quality < _HALF_QUALITY else 200 - 2 * quality
    return [min(_MAX_STEP, max(1, (step * scale + 50) // 100)) for step in table]

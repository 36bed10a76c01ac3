"""The quality that a JPEG's quantisation tables were made with, as the IJG library counts it.

Must not read files: it is given tables.
"""

from __future__ import annotations

from bisect import bisect_left
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["estimated_quality"]

# ITU-T T.81 annex K, tables K.1 and K.2; only their sums matter, so any order does.
_LUMA: Final = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA: Final = (
    *(17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99),
    *(24, 26, 56, 99, 99, 99, 99, 99, 47, 66, 99, 99, 99, 99, 99, 99),
    *(99,) * 32,
)
_HALF_QUALITY = 50
_MAX_QUALITY = 100
_MAX_STEP = 255


def estimated_quality(luma: Sequence[int], chroma: Sequence[int] | None = None) -> int:
    """Return the quality, 1 to 100, whose IJG tables are nearest to these.

    Nearest is by the sum of all steps, which falls strictly as quality rises, so that a table made
    by the IJG formula is found exactly and any other table lands at the same overall coarseness.
    ImageMagick's estimate rests on the same sums.

    Args:
        luma: The 64 steps of the first component, in any order.
        chroma: The 64 steps of the second component, where it has a table of its own.
    """
    sums = _sums(is_colour=chroma is not None)
    total = sum(luma) + sum(chroma or ())
    index = bisect_left(sums, -total, key=lambda value: -value)
    if index == 0:
        return 1
    if index == len(sums):
        return _MAX_QUALITY
    is_nearer_above = sums[index - 1] - total > total - sums[index]
    return index + 1 if is_nearer_above else index


@cache
def _sums(*, is_colour: bool) -> tuple[int, ...]:
    tables = (*_LUMA, *_CHROMA) if is_colour else _LUMA
    return tuple(_sum_at(tables, quality) for quality in range(1, _MAX_QUALITY + 1))


def _sum_at(table: Sequence[int], quality: int) -> int:
    """Apply jpeg_quality_scaling and jpeg_add_quant_table of jcparam.c."""
    scale = 5000 // quality if quality < _HALF_QUALITY else 200 - 2 * quality
    return sum(min(_MAX_STEP, max(1, (step * scale + 50) // 100)) for step in table)

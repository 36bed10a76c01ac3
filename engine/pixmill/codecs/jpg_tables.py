"""The quantisation tables that the IJG's and mozjpeg's encoders scale by quality.

A family's number is mozjpeg's and so libvips' `quant_table`, up to 8. Its tables are those of
jcparam.c in zigzag order, and stand for quality 50. Must not judge a file: `jpg_quality` does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["FAMILIES", "IJG", "MSSIM", "ROBIDOUX", "WOVEN", "WOVEN_WHOLE", "Family", "lowered"]


@dataclass(frozen=True, slots=True, eq=False)
class Family:
    """Base tables whose steps an encoder scales by a quality.

    There is one of each, so that caches know one by its identity, not by 128 numbers.

    Attributes:
        number: As mozjpeg counts them.
        luma: The 64 steps of the first component.
        chroma: Those of the others, the same where the family has but one table.
        chroma_gap: By how much the quality of chroma is lower than luma's; see `lowered`.
    """

    number: int
    luma: tuple[int, ...]
    chroma: tuple[int, ...]
    chroma_gap: int = 0


def lowered(quality: int, gap: int) -> int:
    """Return a quality so much lower, less near either end.

    Near the highest nothing is to be spared. Near the lowest steps grow as 1 / quality: a gap of 10
    doubled them at 20, and cost 8 photos 9 points at 20 and 24 at 10; a fifth, 3 and 5.
    """
    return max(1, quality - min(gap, quality // _LOW_SHARE, _HIGHEST_QUALITY - quality))


_HIGHEST_QUALITY: Final = 100
_LOW_SHARE: Final = 5

_IJG_LUMA: Final = (
    *(16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40),
    *(26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58, 51, 61, 60, 57, 51),
    *(56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87),
    *(95, 98, 103, 104, 103, 62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99),
)
_IJG_CHROMA: Final = (
    *(17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99),
    *(99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99),
    *(99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99),
    *(99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99),
)

_MSSIM_LUMA: Final = (
    *(12, 17, 18, 19, 20, 20, 21, 20, 20, 26, 31, 26, 21, 26, 30, 34),
    *(28, 26, 26, 33, 40, 46, 35, 36, 30, 33, 51, 56, 63, 61, 58, 46),
    *(40, 46, 66, 68, 90, 76, 62, 46, 87, 69, 55, 55, 86, 96, 81, 86),
    *(90, 96, 102, 100, 100, 66, 73, 111, 121, 113, 102, 120, 91, 101, 105, 103),
)
_MSSIM_CHROMA: Final = (
    *(8, 12, 13, 12, 13, 15, 15, 15, 15, 17, 96, 16, 18, 26, 86, 96),
    *(90, 96, 90, 96, 99, 99, 99, 99, 96, 99, 96, 96, 98, 99, 99, 99),
    *(99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 98, 99, 99, 99, 99, 99),
    *(99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99),
)

_ROBIDOUX_LUMA: Final = (
    *(16, 16, 16, 16, 17, 16, 18, 20, 20, 18, 25, 27, 24, 27, 25, 37),
    *(34, 31, 31, 34, 37, 56, 40, 43, 40, 43, 40, 56, 85, 53, 62, 53),
    *(53, 62, 53, 85, 75, 91, 74, 69, 74, 91, 75, 135, 106, 94, 94, 106),
    *(135, 156, 131, 124, 131, 156, 189, 169, 169, 189, 238, 226, 238, 311, 311, 418),
)

_HVS_LUMA: Final = (
    *(9, 10, 11, 12, 12, 12, 14, 14, 14, 17, 23, 18, 18, 19, 27, 32),
    *(27, 25, 25, 28, 40, 42, 42, 42, 42, 42, 44, 51, 62, 59, 59, 61),
    *(75, 59, 64, 70, 75, 78, 84, 79, 92, 79, 73, 78, 87, 112, 88, 95),
    *(100, 102, 105, 124, 112, 92, 99, 132, 126, 116, 100, 125, 111, 99, 107, 98),
)
_HVS_CHROMA: Final = (
    *(9, 10, 12, 14, 13, 17, 19, 18, 19, 20, 26, 26, 29, 29, 62, 89),
    *(84, 93, 84, 86, 99, 99, 100, 91, 88, 95, 91, 91, 97, 88, 95, 95),
    *(93, 98, 99, 97, 97, 99, 99, 97, 95, 98, 98, 97, 98, 99, 99, 99),
    *(99, 99, 99, 99, 98, 94, 99, 99, 99, 99, 99, 99, 99, 99, 97, 99),
)

_KLEIN_LUMA: Final = (
    *(10, 12, 12, 14, 18, 14, 19, 21, 21, 19, 26, 28, 25, 28, 26, 38),
    *(35, 32, 32, 35, 38, 57, 41, 44, 41, 44, 41, 57, 86, 54, 63, 54),
    *(54, 63, 54, 86, 76, 92, 75, 70, 75, 92, 76, 136, 107, 95, 95, 107),
    *(136, 157, 132, 125, 132, 157, 190, 170, 170, 190, 239, 227, 239, 312, 312, 419),
)

IJG: Final = Family(0, _IJG_LUMA, _IJG_CHROMA)
"""ITU-T T.81 annex K: libjpeg, libjpeg-turbo, Pillow."""

MSSIM: Final = Family(2, _MSSIM_LUMA, _MSSIM_CHROMA)
"""Tuned for MS-SSIM on the Kodak photographs: what pixmill writes where chroma is not coded
apart."""

WOVEN: Final = Family(9, _MSSIM_LUMA, _MSSIM_LUMA)
"""What pixmill writes where chroma is coded apart and halved: luma's table, coarser at chroma's low
frequencies and finer at its middle ones."""

WOVEN_WHOLE: Final = Family(10, _MSSIM_LUMA, _MSSIM_LUMA, chroma_gap=10)
"""Likewise at full resolution, where chroma can be coarser."""

ROBIDOUX: Final = Family(3, _ROBIDOUX_LUMA, _ROBIDOUX_LUMA)
"""mozjpeg's own default: what pixmill writes where no quality of the others scores as wanted."""

FAMILIES: Final = (
    IJG,
    MSSIM,
    WOVEN,
    WOVEN_WHOLE,
    ROBIDOUX,
    Family(4, _HVS_LUMA, _HVS_CHROMA),
    Family(5, _KLEIN_LUMA, _KLEIN_LUMA),
)
"""Those whose qualities mean the same, in the order in which files are held to them.

By SSIMULACRA2 6 photos score 60 to 64 at 50, 72.5 to 73.7 at 75 and 82.2 to 82.9 at 90. At the same
numbers the flat family, 1, and the finer ones, 7 and 8, score 4 to 10 more, and 6 up to 6 more or 2
less: the sum of their steps tells more."""

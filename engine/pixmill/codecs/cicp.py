"""Colours by the numbers of ITU-T H.273: what they say, and the ICC profile that says the same.

Pure. Must not know which file they come from: JPEG XL, PNG and AVIF number their colours alike.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from pixmill.codecs.icc_profiles import (
    Chromaticities,
    Clipped,
    Curve,
    Sloped,
    grey_profile,
    rgb_profile,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Colours", "Transfer"]

_D65: Final = (0.3127, 0.3290)
_SRGB: Final = Chromaticities(_D65, (0.640, 0.330), (0.300, 0.600), (0.150, 0.060))
_NEAR_SRGB: Final = 2.2
_TOLERANCE: Final = 0.01
_PRIMARIES: Final[Mapping[int, Chromaticities]] = {
    1: _SRGB,
    9: Chromaticities(_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: Chromaticities((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: Chromaticities(_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
"""BT.709 and sRGB, BT.2020, DCI-P3 and Display P3: H.273 table 2."""


class Transfer(IntEnum):
    """How stored values stand for light: H.273 table 3."""

    BT709 = 1
    GAMMA22 = 4
    GAMMA28 = 5
    BT601 = 6
    LINEAR = 8
    SRGB = 13
    BT2020_10 = 14
    BT2020_12 = 15
    PQ = 16
    HLG = 18


_FILM: Final = Sloped(1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: Final[Mapping[int, Curve]] = {
    Transfer.BT709: _FILM,
    Transfer.BT601: _FILM,
    Transfer.BT2020_10: _FILM,
    Transfer.BT2020_12: _FILM,
    Transfer.GAMMA22: 2.2,
    Transfer.GAMMA28: 2.8,
    Transfer.LINEAR: 1.0,
    Transfer.SRGB: Sloped(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
}

_LIKE_SRGB: Final = frozenset({Transfer.SRGB, Transfer.GAMMA22})
_FILMED: Final = frozenset({1, 2, 6, 14, 15})
"""Transfers of cameras, and none said: what is shown by them is made for sRGB's curve."""

_UNSAID: Final = 2
_STEPS: Final = 1024
_WHITE_NITS: Final = 203.0
"""Of what is white in HDR: ITU-R BT.2408-7 2.2."""


@dataclass(frozen=True, slots=True)
class Colours:
    """What a file says of its colours in numbers.

    Attributes:
        primaries: Which red, green and blue; 2 leaves it open.
        transfer: How stored values stand for light; 2 leaves it open.
        power: The power of the stored value that light is, where that is said instead; else 0.
    """

    primaries: int
    transfer: int
    power: float = 0.0

    @property
    def is_hdr(self) -> bool:
        """Whether white is not the brightest that there is: PQ and HLG."""
        return self.transfer in (Transfer.PQ, Transfer.HLG)

    def is_known(self, *, is_grey: bool = False) -> bool:
        """Return whether `profile` has words for them, or needs none."""
        has_curve = self.power > 0 or self.transfer in _CURVES
        return has_curve and (is_grey or self.primaries in _PRIMARIES)

    def profile(self, *, is_grey: bool = False) -> bytes:
        """Return a profile that says the same; empty for sRGB, and for what it has no words for."""
        # writers who know no better say 2.2 of sRGB: ImageMagick's files would lose dark tones
        is_near = self.transfer in _LIKE_SRGB or abs(self.power - _NEAR_SRGB) < _TOLERANCE
        is_usual = is_near and (is_grey or self.primaries == 1)
        if is_usual or not self.is_known(is_grey=is_grey):
            return b""
        curve = self.power or _CURVES[self.transfer]
        return grey_profile(curve) if is_grey else rgb_profile(_PRIMARIES[self.primaries], curve)

    def shown_profile(self, *, is_grey: bool = False) -> bytes:
        """Return the profile by which a still is shown: as `profile`, but that browsers agree.

        The transfers of cameras stand for sRGB's. PQ and HLG are shown up to what is white in them,
        and clipped beyond it.
        """
        if self.is_hdr:
            curve = _clipped(Transfer(self.transfer))
            places = _PRIMARIES.get(self.primaries, _SRGB)
            return grey_profile(curve) if is_grey else rgb_profile(places, curve)
        transfer = Transfer.SRGB if self.transfer in _FILMED else self.transfer
        primaries = 1 if self.primaries == _UNSAID else self.primaries
        return replace(self, primaries=primaries, transfer=transfer).profile(is_grey=is_grey)


def _clipped(transfer: Transfer) -> Clipped:
    nits = _pq_nits if transfer is Transfer.PQ else _hlg_nits
    values = (step / (_STEPS - 1) for step in range(_STEPS))
    return Clipped(tuple(min(1.0, nits(value) / _WHITE_NITS) for value in values))


def _pq_nits(value: float) -> float:
    """Return the light of a value in PQ: ITU-R BT.2100-2 table 4."""
    root = math.pow(value, 32 / 2523)
    share = max(0.0, root - 107 / 128) / (2413 / 128 - 2392 / 128 * root)
    return 10_000.0 * math.pow(share, 8192 / 1305)


def _hlg_nits(value: float) -> float:
    """Return the light of a value in HLG on a display of 1000 cd/m2: ITU-R BT.2100-2 table 5."""
    bent = (math.exp((value - 0.55991073) / 0.17883277) + 0.28466892) / 12
    scene = value * value / 3 if value <= 0.5 else bent  # noqa: PLR2004 - where it bends
    return 1000.0 * math.pow(scene, 1.2)

"""What a JPEG XL codestream says before its pixels: ISO/IEC 18181-1 annexes A and D.

Must not look at coded pixels, nor at boxes around the codestream.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pixmill.codecs.bits import BitReader, Choice
from pixmill.codecs.cicp import Colours, Transfer

__all__ = ["SIGNATURE", "JxlHead", "jxl_head"]

SIGNATURE: Final = b"\xff\x0a"

_EDGE: Final = (Choice(1, 9), Choice(1, 13), Choice(1, 18), Choice(1, 30))
_RATIOS: Final = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_PREVIEW_EIGHTHS: Final = (Choice(16), Choice(32), Choice(1, 5), Choice(33, 9))
_PREVIEW_EDGE: Final = (Choice(1, 6), Choice(65, 8), Choice(321, 10), Choice(1345, 12))
_TICKS: Final = (Choice(100), Choice(1000), Choice(1, 10), Choice(1, 30))
_TICKS_PER: Final = (Choice(1), Choice(1001), Choice(1, 8), Choice(1, 10))
_LOOPS: Final = (Choice(0), Choice(0, 3), Choice(0, 16), Choice(0, 32))
_WHOLE_BITS: Final = (Choice(8), Choice(10), Choice(12), Choice(1, 6))
_FLOAT_BITS: Final = (Choice(32), Choice(16), Choice(24), Choice(1, 6))
_EXTRA_COUNT: Final = (Choice(0), Choice(1), Choice(2, 4), Choice(1, 12))
_NAME_BYTES: Final = (Choice(0), Choice(0, 4), Choice(16, 5), Choice(48, 10))
_SHIFT: Final = (Choice(0), Choice(3), Choice(4), Choice(1, 3))
_ENUM: Final = (Choice(0), Choice(1), Choice(2, 4), Choice(18, 6))
_COORDINATE: Final = (
    Choice(0, 19),
    Choice(524_288, 19),
    Choice(1_048_576, 20),
    Choice(2_097_152, 21),
)

_FILTER_CHANNEL: Final = (Choice(1), Choice(0, 2), Choice(3, 4), Choice(19, 8))

_ALPHA, _SPOT, _FILTER = 0, 2, 5
_RGB, _GREY, _XYB = 0, 1, 2
_P3, _P3_D65 = 11, 12
_CUSTOM: Final = 2
_D65_WHITE: Final = 1
_UNSAID: Final = 2
_GAMMA_UNIT: Final = 10_000_000
_MAX_POWER: Final = 255
"""Of what a profile holds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JxlHead:
    """The facts of one image.

    Attributes:
        width_px: Width once it is turned upright.
        height_px: Height, likewise.
        bits: Bits a sample.
        is_float: Whether samples are floating.
        is_grey: Whether there is one colour.
        has_alpha: Whether there is alpha.
        is_animated: Whether there may be several frames.
        has_other_channels: Whether there are channels that are neither colour nor alpha.
        is_lossy: Whether colours are coded as XYB, which only lossy coding does.
        has_profile: Whether it embeds an ICC profile, in a coding of its own.
        colours: What it says of its colours in numbers; `None` with a profile, or where numbers
            do not say it.
    """

    width_px: int
    height_px: int
    bits: int = 8
    is_float: bool = False
    is_grey: bool = False
    has_alpha: bool = False
    is_animated: bool = False
    has_other_channels: bool = False
    is_lossy: bool = True
    has_profile: bool = False
    colours: Colours | None = Colours(1, Transfer.SRGB)  # noqa: RUF009 - it is frozen


@dataclass(frozen=True, slots=True)
class _Frames:
    is_turned: bool = False
    is_animated: bool = False


@dataclass(frozen=True, slots=True)
class _Colouring:
    is_grey: bool = False
    has_profile: bool = False
    colours: Colours | None = Colours(1, Transfer.SRGB)  # noqa: RUF009 - it is frozen


def jxl_head(codestream: bytes) -> JxlHead:
    """Return what the first bytes of a codestream say.

    Raises:
        ValueError: They are none, or end too early.
    """
    if not codestream.startswith(SIGNATURE):
        raise ValueError("expected a jpeg xl codestream to begin with ff 0a")
    bits = BitReader(codestream[len(SIGNATURE) :])
    width_px, height_px = _size(bits)
    if bits.is_set():  # all of it as it mostly is
        return JxlHead(width_px=width_px, height_px=height_px)
    shown = _frames(bits) if bits.is_set() else _Frames()
    is_float, depth = _depth(bits)
    bits.take(1)  # whether 16 bits suffice while decoding
    others = [_is_alpha(bits) for _ in range(bits.chosen(_EXTRA_COUNT))]
    is_lossy = bits.is_set()
    colouring = _colouring(bits)
    return JxlHead(
        width_px=height_px if shown.is_turned else width_px,
        height_px=width_px if shown.is_turned else height_px,
        bits=depth,
        is_float=is_float,
        is_grey=colouring.is_grey,
        has_alpha=any(others),
        is_animated=shown.is_animated,
        has_other_channels=others not in ([], [True]),
        is_lossy=is_lossy,
        has_profile=colouring.has_profile,
        colours=colouring.colours,
    )


def _size(bits: BitReader) -> tuple[int, int]:
    is_small = bits.is_set()
    height_px = _edge(bits, is_small=is_small)
    ratio = bits.take(3)
    if ratio == 0:
        return _edge(bits, is_small=is_small), height_px
    times, parts = _RATIOS[ratio - 1]
    return height_px * times // parts, height_px


def _edge(bits: BitReader, *, is_small: bool) -> int:
    return 8 * (bits.take(5) + 1) if is_small else bits.chosen(_EDGE)


def _frames(bits: BitReader) -> _Frames:
    """Read what is turned, shown in small and moving."""
    orientation = bits.take(3) + 1
    if bits.is_set():  # how large it wants to be shown
        _size(bits)
    if bits.is_set():
        _skip_preview(bits)
    is_animated = bits.is_set()
    if is_animated:
        for ways in (_TICKS, _TICKS_PER, _LOOPS):
            bits.chosen(ways)
        bits.take(1)  # time codes
    return _Frames(is_turned=orientation > 4, is_animated=is_animated)  # noqa: PLR2004 - as EXIF's


def _skip_preview(bits: BitReader) -> None:
    ways = _PREVIEW_EIGHTHS if bits.is_set() else _PREVIEW_EDGE
    bits.chosen(ways)
    if bits.take(3) == 0:
        bits.chosen(ways)


def _depth(bits: BitReader) -> tuple[bool, int]:
    is_float = bits.is_set()
    depth = bits.chosen(_FLOAT_BITS if is_float else _WHOLE_BITS)
    if is_float:
        bits.take(4)  # bits of the exponent
    return is_float, depth


def _is_alpha(bits: BitReader) -> bool:
    """Read one channel beside the colours, and return whether it is alpha."""
    if bits.is_set():
        return True
    kind = bits.chosen(_ENUM)
    _depth(bits)
    bits.chosen(_SHIFT)
    bits.take(8 * bits.chosen(_NAME_BYTES))
    if kind == _ALPHA:
        bits.take(1)  # whether colours are multiplied by it, which the library undoes
    elif kind == _SPOT:
        bits.take(4 * 16)
    elif kind == _FILTER:
        bits.chosen(_FILTER_CHANNEL)
    return kind == _ALPHA


def _colouring(bits: BitReader) -> _Colouring:
    if bits.is_set():
        return _Colouring()
    has_profile = bits.is_set()
    space = bits.chosen(_ENUM)
    is_grey = space == _GREY
    if has_profile:
        return _Colouring(is_grey=is_grey, has_profile=True, colours=None)
    white = bits.chosen(_ENUM) if space != _XYB else _D65_WHITE
    if white == _CUSTOM:
        _skip_places(bits, 1)
    primaries = bits.chosen(_ENUM) if space == _RGB else 1
    if primaries == _CUSTOM:
        _skip_places(bits, 3)
    has_gamma = space != _XYB and bits.is_set()
    gamma = bits.take(24) if has_gamma else 0
    transfer = _UNSAID if has_gamma else bits.chosen(_ENUM)
    if white != _D65_WHITE or space not in (_RGB, _GREY):
        return _Colouring(is_grey=is_grey, colours=None)
    # H.273 has a number of its own for P3 under D65
    known = Colours(_P3_D65 if primaries == _P3 else primaries, transfer, _power(gamma))
    return _Colouring(is_grey=is_grey, colours=known)


def _power(gamma: int) -> float:
    """Return the power that light is, of a gamma in units of 1e-7; 0 for none that is sensible."""
    return _GAMMA_UNIT / gamma if gamma * _MAX_POWER > _GAMMA_UNIT else 0.0


def _skip_places(bits: BitReader, count: int) -> None:
    for _ in range(2 * count):
        bits.chosen(_COORDINATE)

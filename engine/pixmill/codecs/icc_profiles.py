"""Build the ICC profile that chromaticities and a curve say: ICC.1:2001-04, a matrix and curves.

Pure. Must not know which file they come from.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

__all__ = [
    "CLIPPED_NAME",
    "Chromaticities",
    "Clipped",
    "Curve",
    "Sloped",
    "grey_profile",
    "rgb_profile",
    "stand_in_profile",
]

_Vector: TypeAlias = list[float]
_Matrix: TypeAlias = list[_Vector]

_D50: Final[_Vector] = [0.9642, 1.0, 0.8249]
_BRADFORD: Final[_Matrix] = [
    [0.8951, 0.2664, -0.1614],
    [-0.7502, 1.7135, 0.0367],
    [0.0389, -0.0685, 1.0296],
]
_HEADER_BYTES: Final = 128
_FIXED: Final = 65536
_ODD_POWER: Final = 1.5
_MOST: Final = 65535

CLIPPED_NAME: Final = "HDR, clipped at white"
"""What a profile of `Clipped` is called."""


@dataclass(frozen=True, slots=True)
class Chromaticities:
    """CIE x and y of white and of the three primaries."""

    white: tuple[float, float]
    red: tuple[float, float]
    green: tuple[float, float]
    blue: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Sloped:
    """A power with a straight foot, as sRGB has: ICC.1:2022 10.18, function type 3.

    Light is `(scale * value + offset) ** power` from `foot` on, and `slope * value` below.
    """

    power: float
    scale: float
    offset: float
    slope: float
    foot: float


@dataclass(frozen=True, slots=True)
class Clipped:
    """Light of which white is a part, cut off there: `shares` of white at equal steps, 0 to 1."""

    shares: tuple[float, ...]


Curve: TypeAlias = float | Sloped | Clipped
"""How a stored value stands for light: to a power, with a straight foot, or measured in steps."""


def rgb_profile(colours: Chromaticities, curve: Curve) -> bytes:
    """Return a profile of these primaries whose light is a curve of the stored value.

    Raises:
        ValueError: The primaries span no colours, or a number lies outside what a profile holds.
    """
    primaries = _transposed([_xyz(each) for each in (colours.red, colours.green, colours.blue)])
    white = _xyz(colours.white)
    shares = _applied(_inverse(primaries), white)
    adapted = _product(_adaptation(white), _scaled_columns(primaries, shares))
    columns = zip((b"rXYZ", b"gXYZ", b"bXYZ"), _transposed(adapted), strict=True)
    curves = dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), _curve(curve))
    tags = {**{name: _located(xyz) for name, xyz in columns}, **curves}
    return _profile(b"RGB ", tags, _name_of(curve))


def grey_profile(curve: Curve) -> bytes:
    """Return a profile of grey whose light is a curve of the stored value.

    Raises:
        ValueError: The power lies outside what a profile holds.
    """
    return _profile(b"GRAY", {b"kTRC": _curve(curve)}, _name_of(curve))


def stand_in_profile(*, is_grey: bool) -> bytes:
    """Return a profile like no other, for pixels whose own is not known yet."""
    if is_grey:
        return grey_profile(_ODD_POWER)
    corners = Chromaticities((0.34, 0.36), (0.7, 0.3), (0.2, 0.75), (0.12, 0.03))
    return rgb_profile(corners, _ODD_POWER)


def _name_of(curve: Curve) -> str:
    return CLIPPED_NAME if isinstance(curve, Clipped) else "as the file says"


def _profile(space: bytes, tags: dict[bytes, bytes], title: str) -> bytes:
    name = title.encode("ascii") + b"\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0CC0\0", b"wtpt": _located(_D50), **tags}
    offset = _HEADER_BYTES + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for tag, held in tags.items():
        table += struct.pack(">4sII", tag, offset + len(data), len(held))
        data += held + bytes(-len(held) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12x4s28x12s48x",
        offset + len(data),
        0x02400000,
        b"mntr",
        space,
        b"XYZ ",
        b"acsp",
        _located(_D50)[8:],
    )
    return head + table + data


def _located(xyz: _Vector) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(_fixed(value) for value in xyz))


def _fixed(value: float) -> int:
    if not abs(value) < 1 << 15:
        raise ValueError(f"expected a number within 32768, got {value}")
    return round(value * _FIXED)


def _curve(curve: Curve) -> bytes:
    if isinstance(curve, Clipped):
        steps = [round(share * _MOST) for share in curve.shares]
        return b"curv\0\0\0\0" + struct.pack(f">I{len(steps)}H", len(steps), *steps)
    if isinstance(curve, Sloped):  # of version 4, yet littleCMS takes it under 2 as well
        numbers = (curve.power, curve.scale, curve.offset, curve.slope, curve.foot)
        return b"para\0\0\0\0" + struct.pack(">H2x5i", 3, *map(_fixed, numbers))
    stored = round(curve * 256)
    if not 0 < stored < 1 << 16:
        raise ValueError(f"expected a power above 0 and below 256, got {curve}")
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, stored)


def _xyz(place: tuple[float, float]) -> _Vector:
    x, y = place
    if y <= 0:
        raise ValueError(f"expected a chromaticity with y above 0, got {y}")
    return [x / y, 1.0, (1 - x - y) / y]


def _adaptation(white: _Vector) -> _Matrix:
    """Return Bradford's matrix from a white to D50, ICC.1:2001-04 annex E."""
    before, after = _applied(_BRADFORD, white), _applied(_BRADFORD, _D50)
    if min(map(abs, before)) == 0:
        raise ValueError("expected a white that can be adapted to")
    ratios = [wanted / found for wanted, found in zip(after, before, strict=True)]
    cones = [[value * ratio for value in row] for row, ratio in zip(_BRADFORD, ratios, strict=True)]
    return _product(_inverse(_BRADFORD), cones)


def _inverse(matrix: _Matrix) -> _Matrix:
    (a, b, c), (d, e, f), (g, h, i) = matrix
    whole = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    if abs(whole) < 1e-9:  # noqa: PLR2004 - three primaries on one line
        raise ValueError("expected primaries that span colours")
    rows = [
        [e * i - f * h, c * h - b * i, b * f - c * e],
        [f * g - d * i, a * i - c * g, c * d - a * f],
        [d * h - e * g, b * g - a * h, a * e - b * d],
    ]
    return [[value / whole for value in row] for row in rows]


def _scaled_columns(matrix: _Matrix, factors: _Vector) -> _Matrix:
    return [[value * by for value, by in zip(row, factors, strict=True)] for row in matrix]


def _transposed(matrix: _Matrix) -> _Matrix:
    return [list(column) for column in zip(*matrix, strict=True)]


def _applied(matrix: _Matrix, vector: _Vector) -> _Vector:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _product(first: _Matrix, second: _Matrix) -> _Matrix:
    return _transposed([_applied(first, column) for column in _transposed(second)])

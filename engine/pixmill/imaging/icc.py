"""Read what pixmill must know of an ICC profile: its name, and whether it is sRGB or Display P3.

Pure: bytes in, facts out. A profile that cannot be read has no name and is neither. Layout and
tags follow ICC.1:2022; numbers are big-endian, `s15Fixed16` unless said otherwise.
"""

from __future__ import annotations

import struct
from typing import Final

__all__ = ["colour_space", "description", "is_p3", "is_srgb"]

_HEADER_BYTES: Final = 128
_MAX_TAGS: Final = 100
_MAX_NAME: Final = 100
_FIXED: Final = 65536.0

_SRGB_COLORANTS: Final = {
    b"rXYZ": (0.4361, 0.2225, 0.0139),
    b"gXYZ": (0.3851, 0.7169, 0.0971),
    b"bXYZ": (0.1431, 0.0606, 0.7141),
}
"""sRGB primaries adapted to D50, as IEC 61966-2-1 profiles store them."""

_P3_COLORANTS: Final = {
    b"rXYZ": (0.5151, 0.2412, -0.0011),
    b"gXYZ": (0.2920, 0.6922, 0.0419),
    b"bXYZ": (0.1571, 0.0666, 0.7841),
}
"""Display P3 primaries adapted to D50, as Apple's profile stores them."""

_COLORANT_TOLERANCE: Final = 0.006
_CURVE_TOLERANCE: Final = 0.02
"""Admits pure gamma 2.2 (at most 0.008 off), and neither 1.8 nor 1.0 (0.07 and more)."""


def colour_space(profile: bytes) -> str:
    """Return the profile's data colour space, such as `RGB`, `GRAY` or `CMYK`."""
    return profile[16:20].decode("latin-1").strip()


def description(profile: bytes) -> str:
    """Return the profile's description, or an empty string."""
    tag = _tags(profile).get(b"desc", b"")
    try:
        if tag[:4] == b"desc":
            (count,) = struct.unpack_from(">I", tag, 8)
            text = tag[12 : 12 + count].split(b"\0")[0].decode("latin-1")
        elif tag[:4] == b"mluc":
            size, offset = struct.unpack_from(">II", tag, 20)
            text = tag[offset : offset + size].decode("utf-16-be", "replace")
        else:
            return ""
    except struct.error:
        return ""
    return "".join(char for char in text if char.isprintable()).strip()[:_MAX_NAME]


def is_srgb(profile: bytes) -> bool:
    """Return whether colours under this profile are sRGB, within what eight bits show.

    A matrix profile is judged by its primaries and curves, a grey one by its curve, any other by
    its name.
    """
    tags = _tags(profile)
    match colour_space(profile):
        case "RGB" if _SRGB_COLORANTS.keys() <= tags.keys() and b"rTRC" in tags:
            return _has_colorants(tags, _SRGB_COLORANTS)
        case "GRAY":
            return _is_srgb_curve(tags.get(b"kTRC", b""))
        case "RGB":
            return "srgb" in description(profile).lower().replace(" ", "")
        case _:
            return False


def is_p3(profile: bytes) -> bool:
    """Return whether colours under this profile are Display P3: its primaries, sRGB's curves."""
    is_matrix = colour_space(profile) == "RGB"
    return is_matrix and _has_colorants(_tags(profile), _P3_COLORANTS)


def _has_colorants(
    tags: dict[bytes, bytes], wanted: dict[bytes, tuple[float, float, float]]
) -> bool:
    is_same = all(_is_near(tags.get(name, b""), xyz) for name, xyz in wanted.items())
    curves = (tags.get(name, b"") for name in (b"rTRC", b"gTRC", b"bTRC"))
    return is_same and all(_is_srgb_curve(curve) for curve in curves)


def _tags(profile: bytes) -> dict[bytes, bytes]:
    if len(profile) < _HEADER_BYTES + 4:
        return {}
    (count,) = struct.unpack_from(">I", profile, _HEADER_BYTES)
    tags = {}
    for index in range(min(count, _MAX_TAGS)):
        at = _HEADER_BYTES + 4 + 12 * index
        if at + 12 > len(profile):
            break
        name, offset, size = struct.unpack_from(">4sII", profile, at)
        tags[name] = profile[offset : offset + size]
    return tags


def _is_near(tag: bytes, wanted: tuple[float, float, float]) -> bool:
    if tag[:4] != b"XYZ " or len(tag) < 20:  # noqa: PLR2004 - type, reserved, three numbers
        return False
    found = struct.unpack_from(">iii", tag, 8)
    return all(
        abs(value / _FIXED - target) <= _COLORANT_TOLERANCE
        for value, target in zip(found, wanted, strict=True)
    )


def _is_srgb_curve(tag: bytes) -> bool:
    try:
        return all(
            abs(_curve_at(tag, x) - _srgb_to_linear(x)) <= _CURVE_TOLERANCE
            for x in (0.1, 0.25, 0.5, 0.75, 0.9)
        )
    except (struct.error, ValueError, TypeError, OverflowError, ZeroDivisionError):
        return False  # TypeError: a power of a negative number, which is complex


def _srgb_to_linear(x: float) -> float:
    """Decode one sRGB value, IEC 61966-2-1."""
    return x / 12.92 if x <= 0.04045 else float(((x + 0.055) / 1.055) ** 2.4)  # noqa: PLR2004 - the norm


def _curve_at(tag: bytes, x: float) -> float:
    match tag[:4]:
        case b"curv":
            (count,) = struct.unpack_from(">I", tag, 8)
            if count == 0:
                return x
            if count == 1:
                return float(x ** (struct.unpack_from(">H", tag, 12)[0] / 256))
            place = x * (count - 1)
            low = min(int(place), count - 2)
            a, b = struct.unpack_from(">HH", tag, 12 + 2 * low)
            return float(a + (b - a) * (place - low)) / 65535
        case b"para":
            return _parametric_at(tag, x)
        case _:
            raise ValueError("no curve")


def _parametric_at(tag: bytes, x: float) -> float:
    """Evaluate a parametricCurveType, ICC.1:2022 table 68."""
    (kind,) = struct.unpack_from(">H", tag, 8)
    count = (1, 3, 4, 5, 7)[kind] if kind < 5 else 0  # noqa: PLR2004 - five kinds are defined
    told = [value / _FIXED for value in struct.unpack_from(f">{count}i", tag, 12)]
    g, a, b, c, d, e, f = told + [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0][count:]
    match kind:
        case 0:
            value = x**g
        case 1:
            value = (a * x + b) ** g if x >= -b / a else 0.0
        case 2:
            value = (a * x + b) ** g + c if x >= -b / a else c
        case 3:
            value = (a * x + b) ** g if x >= d else c * x
        case 4:
            value = (a * x + b) ** g + e if x >= d else c * x + f
        case _:
            raise ValueError("unknown parametric curve")
    return float(value)

"""Sizes, durations and geometry, between the user's strings and numbers.

Must not guess: a string that does not parse raises `OptionError` with what was expected.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from pixmill.errors import OptionError

__all__ = [
    "SCORES",
    "Geometry",
    "Savings",
    "format_duration",
    "format_size",
    "parse_duration",
    "parse_geometry",
    "parse_savings",
    "parse_score",
    "parse_size",
]

# Digits are bounded so that no number becomes infinite, and ASCII, for \d matches every script.
_NUMBER = r"(\d{1,18}(?:\.\d{1,25})?)"
_FLAGS = re.IGNORECASE | re.ASCII
_SIZE = re.compile(rf"{_NUMBER}\s*(|[kmgt]i?)(?:b|bytes?)?", _FLAGS)
_FACTORS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}
_DURATION = re.compile(rf"{_NUMBER}\s*(ms|s|m|h|)", _FLAGS)
_SECONDS = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_BOX = re.compile(r"(\d*)x(\d*)", _FLAGS)
_PERCENT = re.compile(rf"{_NUMBER}%", _FLAGS)
_MAX_EDGE_PX = 1_000_000
_KILO = 1000
_WHOLE_PERCENT = 100
_MINUTE_S = 60
_BEST_SCORE = 100
SCORES = {"visually-lossless": 90.0, "very-high": 80.0, "high": 70.0, "medium": 50.0, "low": 30.0}
"""What the words for a look stand for, on the scale of SSIMULACRA2, whose author names them so."""
_HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Geometry:
    """A wanted size: a box with one or both edges in pixels, or a factor.

    Attributes:
        width_px: Width of the box, or `None` for as wide as the height asks.
        height_px: Height of the box, or `None` for as high as the width asks.
        scale: Factor that multiplies both edges; `None` unless neither edge is given.
    """

    width_px: int | None = None
    height_px: int | None = None
    scale: float | None = None

    def __str__(self) -> str:
        """Spell the geometry as the user types it."""
        if self.scale is not None:
            # Exact, as a recipe's fingerprint is made of it: parsed again, it is the same factor.
            return f"{(Decimal(repr(self.scale)) * 100).normalize():f}%"
        return f"{self.width_px or ''}x{self.height_px or ''}"


@dataclass(frozen=True, slots=True)
class Savings:
    """How much smaller than its source a result must be: a share of it, or so many bytes.

    Attributes:
        size_bytes: Bytes, where they were named.
        percent: Share of the source, above 0 and below 100, where that was named instead.
    """

    size_bytes: int = 0
    percent: float = 0.0

    def __str__(self) -> str:
        """Spell it as the user types it."""
        if self.percent:
            return f"{Decimal(repr(self.percent)).normalize():f}%"
        return str(self.size_bytes)

    def of(self, source_bytes: int) -> int:
        """Return the bytes that a result must save of a source of this size, at least one."""
        return max(1, self.size_bytes, math.ceil(source_bytes * self.percent / 100))


def parse_savings(text: str) -> Savings:
    """Return the savings that `5%`, `10kb` or `2048` name.

    Raises:
        OptionError: The text is neither a share below 100% nor a size.
    """
    match = _PERCENT.fullmatch(text.strip())
    if match is None:
        try:
            return Savings(size_bytes=parse_size(text))
        except OptionError:
            message = f"expected a share or a size such as 5% or 10kb, got {text!r}"
            raise OptionError(message) from None
    percent = float(match[1])
    if not 0 < percent < _WHOLE_PERCENT:
        raise OptionError(f"expected a share above 0% and below 100%, got {text!r}")
    return Savings(percent=percent)


def parse_score(text: str) -> float:
    """Return the score that a word of `SCORES` or a number names.

    Raises:
        OptionError: The text is neither, or the number is not from 1 to 100.
    """
    word = text.strip().lower()
    if word in SCORES:
        return SCORES[word]
    score = float(word) if re.fullmatch(_NUMBER, word, _FLAGS) else 0.0
    if not 1 <= score <= _BEST_SCORE:
        raise OptionError(
            f"expected a score from 1 to 100 or one of {', '.join(SCORES)}, got {text!r}"
        )
    return score


def parse_size(text: str) -> int:
    """Return the bytes that `500kb`, `1.5 MiB` or `200000` name: kB is 1000, KiB 1024.

    Raises:
        OptionError: The text is no size, or names no whole byte.
    """
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise OptionError(f"expected a size such as 500kb, 1.5MiB or 200000, got {text!r}")
    size_bytes = int(Decimal(match[1]) * _FACTORS[match[2].lower()])
    if size_bytes < 1:
        raise OptionError(f"expected a size of at least one byte, got {text!r}")
    return size_bytes


def format_size(size_bytes: float) -> str:
    """Spell a number of bytes in powers of 1000: `1.4 MB`."""
    value, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if round(abs(value), 0 if unit == "B" else 1) < _KILO:
            break
        value, unit = value / _KILO, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def parse_duration(text: str) -> float:
    """Return the seconds that `90`, `30s`, `5m`, `1h` or `250ms` name.

    Raises:
        OptionError: The text is no duration, or not a positive one.
    """
    match = _DURATION.fullmatch(text.strip())
    if match is None or float(match[1]) <= 0:
        raise OptionError(f"expected a duration such as 30s, 5m or 1h, got {text!r}")
    return float(match[1]) * _SECONDS[match[2].lower()]


def format_duration(seconds: float) -> str:
    """Spell seconds for a person: `0.8 s`, `42 s`, `3:07 min`, `2:05 h`."""
    if round(seconds, 1) < 10:  # noqa: PLR2004 - below ten seconds the tenth is worth reading
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < _MINUTE_S:
        return f"{whole} s"
    if whole < _HOUR_S:
        return f"{whole // _MINUTE_S}:{whole % _MINUTE_S:02d} min"
    return f"{whole // _HOUR_S}:{whole % _HOUR_S // _MINUTE_S:02d} h"


def parse_geometry(text: str) -> Geometry:
    """Return the geometry that `800x600`, `800`, `800x`, `x600` or `50%` names.

    Raises:
        OptionError: The text is no geometry, or an edge is outside 1 to 1,000,000 px.
    """
    stripped = text.strip()
    if match := _PERCENT.fullmatch(stripped):
        scale = float(Decimal(match[1]) / 100)
        if scale <= 0:
            raise OptionError(f"expected a percentage above 0, got {text!r}")
        return Geometry(scale=scale)
    if stripped.isascii() and stripped.isdigit():
        return Geometry(width_px=_edge(stripped, text))
    match = _BOX.fullmatch(stripped)
    if match is None or not (match[1] or match[2]):
        raise OptionError(f"expected WxH, W, Wx, xH or N%, such as 800x600, got {text!r}")
    return Geometry(
        width_px=_edge(match[1], text) if match[1] else None,
        height_px=_edge(match[2], text) if match[2] else None,
    )


def _edge(digits: str, text: str) -> int:
    edge_px = int(digits) if len(digits) <= len(str(_MAX_EDGE_PX)) else 0
    if not 1 <= edge_px <= _MAX_EDGE_PX:
        raise OptionError(f"expected edges from 1 to {_MAX_EDGE_PX} px, got {text!r}")
    return edge_px

"""Draw curves of score over bits a pixel as SVG, which needs no plotting library."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["Curve", "drawn"]

_WIDTH, _HEIGHT = 720, 440
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 180, 40, 48
_COLOURS: Final = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#666666")
_OURS: Final = "pixmill"
_SCORE_STEP = 10


@dataclass(frozen=True, slots=True)
class Curve:
    """One encoder's means over a set of pictures.

    Attributes:
        name: Of the encoder.
        points: Bits a pixel and score, one pair for each quality.
    """

    name: str
    points: tuple[tuple[float, float], ...]


def drawn(title: str, curves: Sequence[Curve]) -> str:
    """Return an SVG of curves; pixmill's are thick."""
    frame = _Frame.around([point for curve in curves for point in curve.points])
    box = f'xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}"'
    parts = [
        f'<svg {box} font-family="sans-serif" font-size="12" fill="#333">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15">{escape(title)}</text>',
        *_axes(frame),
    ]
    for index, curve in enumerate(curves):
        parts += _line(frame, curve, index)
    return "\n".join([*parts, "</svg>", ""])


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frame:
    """What the axes span: bits a pixel by their logarithm, and scores."""

    least_bits: float
    most_bits: float
    low: float
    high: float

    @classmethod
    def around(cls, points: Sequence[tuple[float, float]]) -> _Frame:
        bits, scores = [point[0] for point in points], [point[1] for point in points]
        return cls(
            least_bits=min(bits) * 0.95,
            most_bits=max(bits) * 1.05,
            low=math.floor(min(scores) / _SCORE_STEP) * _SCORE_STEP,
            high=math.ceil(max(scores) / _SCORE_STEP) * _SCORE_STEP,
        )

    def x(self, bits: float) -> float:
        span = math.log(self.most_bits / self.least_bits)
        share = math.log(bits / self.least_bits) / span
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)

    def y(self, score: float) -> float:
        share = (score - self.low) / (self.high - self.low)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)


def _axes(frame: _Frame) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    for score in range(int(frame.low), int(frame.high) + 1, _SCORE_STEP):
        y = frame.y(score)
        yield f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="#ddd"/>'
        yield f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{score}</text>'
    for bits in (0.05, 0.1, 0.2, 0.5, 1, 2, 3, 5, 8, 12):
        if frame.least_bits <= bits <= frame.most_bits:
            x = frame.x(bits)
            yield f'<path d="M{x:.1f} {_TOP}V{bottom}" stroke="#ddd"/>'
            yield f'<text x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{bits:g}</text>'
    middle = (_LEFT + right) / 2
    yield f'<text x="{middle}" y="{bottom + 36}" text-anchor="middle">bits a pixel</text>'
    yield f'<text transform="translate(16 {bottom - 90}) rotate(-90)">SSIMULACRA2</text>'


def _line(frame: _Frame, curve: Curve, index: int) -> Iterator[str]:
    colour = _COLOURS[index % len(_COLOURS)]
    width = 2.6 if curve.name.startswith(_OURS) else 1.3
    dash = ' stroke-dasharray="5 3"' if index >= len(_COLOURS) else ""
    path = "L".join(f"{frame.x(bits):.1f} {frame.y(score):.1f}" for bits, score in curve.points)
    style = f'stroke="{colour}" stroke-width="{width}"{dash}'
    yield f'<path d="M{path}" fill="none" {style}/>'
    y, x = _TOP + 8 + 18 * index, _WIDTH - _RIGHT + 14
    yield f'<path d="M{x} {y}h22" {style}/>'
    yield f'<text x="{x + 28}" y="{y + 4}">{escape(curve.name)}</text>'

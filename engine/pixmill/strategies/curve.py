"""What is known of a value that grows with quality, before and after some qualities were tried.

Pure, and knows no sizes: any search over quality, for bytes or for a score, can ask it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CURVE_QUALITIES", "Curve", "average"]

CURVE_QUALITIES = (10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 89, 90, 93, 95, 97, 99, 100)
"""Where a codec's `size_curve` has its points: dense where it bends, and on both sides of the jump
that libvips' subsampling makes at 90."""


@dataclass(slots=True)
class Curve:
    """A shape that is expected, moved to pass through what was measured.

    Between two measured qualities the distance from the shape is interpolated, beyond them it
    stays: most of the way from one image to the next is a level, and little is a bend.

    Attributes:
        shape: The value expected at a quality.
        measured: The values that are known.
    """

    shape: Callable[[int], float]
    measured: dict[int, float] = field(default_factory=dict)

    def at(self, quality: int) -> float:
        """Return the value at a quality, as it was measured or else as it is expected."""
        if quality in self.measured:
            return self.measured[quality]
        return self.shape(quality) + self._distance(quality)

    def _distance(self, quality: int) -> float:
        """Return how far this image lies above the shape."""
        left = max((known for known in self.measured if known < quality), default=None)
        right = min((known for known in self.measured if known > quality), default=None)
        if left is None or right is None:
            nearest = right if left is None else left
            return 0.0 if nearest is None else self._residual(nearest)
        share = (quality - left) / (right - left)
        return self._residual(left) * (1 - share) + self._residual(right) * share

    def _residual(self, known: int) -> float:
        return self.measured[known] - self.shape(known)


def average(points: tuple[float, ...]) -> Callable[[int], float]:
    """Return the shape through a value for each of `CURVE_QUALITIES`; flat where there are none."""
    known = tuple(zip(CURVE_QUALITIES, points, strict=True)) if points else ()

    def shape(quality: int) -> float:
        for (left, low), (right, high) in itertools.pairwise(known):
            if quality <= right:
                return low + (high - low) * (quality - left) / (right - left)
        return known[-1][1] if known else 0.0

    return shape

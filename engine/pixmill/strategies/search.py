"""The search for the highest quality whose file fits a size.

Sizes follow much the same curve for most images (`CodecSpec.size_curve`): each encode measures
how far this image lies from the curve, and the next guess is read off the curve moved by the
interpolated residual. A plain bisection takes 6.7 encodes where this takes 3 to 4.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.model import Failed, FailureKind, Stage
from pixmill.registry import codec
from pixmill.units import format_size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Found", "highest_fitting", "unreachable"]

# The deepest dip measured: 1.3% (WebP), 0.07% (JPEG) over 5,000 steps each
# (research/metrics-and-models.md, section 4).
_MAX_DIP = 1.015
CURVE_QUALITIES = (1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 100)


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ended with.

    Attributes:
        quality: Highest quality that fits, or `None` if not even the lowest does.
        lowest_bytes: Smallest size that was seen.
        encodes: How many sizes were asked for.
    """

    quality: int | None
    lowest_bytes: int
    encodes: int


@dataclass(slots=True)
class _Search:
    size_of: Callable[[int], int]
    target_bytes: int
    curve: tuple[float, ...]
    sizes: dict[int, int] = field(default_factory=dict)

    def fits(self, quality: int) -> bool:
        if quality not in self.sizes:
            self.sizes[quality] = self.size_of(quality)
        return self.sizes[quality] <= self.target_bytes

    def residual(self, quality: int) -> float:
        """Return by how much this image's log size lies above the curve at a quality."""
        return math.log(max(1, self.sizes[quality])) - self.on_curve(quality)

    def on_curve(self, quality: float) -> float:
        """Return the curve's value between its points."""
        points = list(zip(CURVE_QUALITIES, self.curve, strict=True))
        for (left, low), (right, high) in itertools.pairwise(points):
            if quality <= right:
                return low + (high - low) * (quality - left) / (right - left)
        return self.curve[-1]

    def guess(self, below: int, above: int) -> int:
        """Return the next quality to try, strictly between one that fits and one that does not."""
        wanted = math.log(self.target_bytes)
        best = below + 1
        for quality in range(below + 1, above):
            if self.on_curve(quality) + self._interpolated(quality) <= wanted:
                best = quality
        return best

    def _interpolated(self, quality: int) -> float:
        left = max((known for known in self.sizes if known <= quality), default=None)
        right = min((known for known in self.sizes if known >= quality), default=None)
        if left is None or right is None or left == right:
            nearest = left if right is None else right
            return 0.0 if nearest is None else self.residual(nearest)
        share = (quality - left) / (right - left)
        return self.residual(left) * (1 - share) + self.residual(right) * share


def highest_fitting(
    size_of: Callable[[int], int],
    target_bytes: int,
    *,
    low: int,
    high: int,
    curve: tuple[float, ...],
) -> Found:
    """Find the highest quality in `low..high` whose size is at most the target.

    The highest is tried first: a cap is mostly generous. Sizes are not strictly monotone in
    quality: where the first quality above the best one misses the target by no more than such a
    dip can be, the one after it is tried too.

    Args:
        size_of: Encodes at a quality and returns the size in bytes.
        target_bytes: The cap.
        low: Lowest acceptable quality.
        high: Highest quality of use, at least `low`.
        curve: The codec's `size_curve`; empty for plain bisection.

    Returns:
        The quality, or `None` with the smallest size seen.
    """
    search = _Search(size_of, target_bytes, curve or tuple(0.0 for _ in CURVE_QUALITIES))
    below, above = low - 1, high + 1
    quality = high
    while above - below > 1:
        if search.fits(quality):
            below = quality
        else:
            above = quality
        if above - below > 1:
            quality = search.guess(below, above) if curve else (below + above) // 2
    if below < low:
        return Found(None, min(search.sizes.values()), len(search.sizes))
    best = below
    if above + 1 <= high and search.sizes[above] <= target_bytes * _MAX_DIP:
        best = above + 1 if search.fits(above + 1) else below
    return Found(best, min(search.sizes.values()), len(search.sizes))


def unreachable(target: str, lowest_bytes: int, cap_bytes: int, low: int | None) -> Failed:
    """Return the failure of an image that no quality brings under its cap.

    Args:
        target: Codec it was to be written with.
        lowest_bytes: The smallest that was made.
        cap_bytes: The cap.
        low: The lowest quality that was allowed; `None` where there is no quality to search.
    """
    best, cap = format_size(lowest_bytes), format_size(cap_bytes)
    message = (
        f"even quality {low} takes {best}, more than {cap}: "
        f"raise --max-size, lower --min-quality or add --resize"
    )
    if low is None:
        message = (
            f"{codec(target).title} has no quality to search and takes {best}, more than {cap}: "
            f"use --target-format webp, avif or jpg, or add --resize"
        )
    return Failed(FailureKind.UNREACHABLE, Stage.ENCODE, message)

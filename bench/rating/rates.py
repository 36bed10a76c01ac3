"""Points of bytes and score, and how two encoders' points compare: pure arithmetic."""

from __future__ import annotations

import math
from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Point", "Standing", "more_bytes", "share_at"]

_LOWEST, _HIGHEST = 40.0, 95.0
"""Scores beyond which nobody publishes pictures."""

_STEPS: Final = 50
_LEAST_OVERLAP: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What one encode of one picture came to.

    Attributes:
        size_bytes: Its bytes.
        score: Its SSIMULACRA2 score.
        cpu_s: CPU seconds it took.
    """

    size_bytes: int
    score: float
    cpu_s: float


def more_bytes(candidate: Sequence[Point], base: Sequence[Point]) -> float | None:
    """Return by what share a candidate takes more bytes than a base at equal score.

    The Bjontegaard difference with linear interpolation of the logarithm of size over score, over
    the scores that both reach; `None` where they share too few.
    """
    low = max(_LOWEST, *(min(point.score for point in side) for side in (candidate, base)))
    high = min(_HIGHEST, *(max(point.score for point in side) for side in (candidate, base)))
    if high - low < _LEAST_OVERLAP:
        return None
    scores = [low + (high - low) * step / _STEPS for step in range(_STEPS + 1)]
    difference = sum(_log_size(candidate, at) - _log_size(base, at) for at in scores)
    return math.exp(difference / len(scores)) - 1


@dataclass(frozen=True, slots=True)
class Standing:
    """How an encoder stands beside a base.

    Attributes:
        cpu: What it takes, in any unit.
        share: By what share it takes more bytes at equal score.
    """

    cpu: float
    share: float


def share_at(standings: Sequence[Standing], cpu: float) -> float | None:
    """Return by what share an encoder of several efforts takes more bytes for so much CPU.

    Between two efforts it is interpolated over the logarithm of CPU; beyond the dearest it stays
    that one's, and below the cheapest there is none.
    """
    ordered = sorted(standings, key=lambda standing: standing.cpu)
    if not ordered or cpu < ordered[0].cpu:
        return None
    for left, right in pairwise(ordered):
        if cpu < right.cpu:
            part = math.log(cpu / left.cpu) / math.log(right.cpu / left.cpu)
            return left.share + (right.share - left.share) * part
    return ordered[-1].share


def _log_size(points: Sequence[Point], score: float) -> float:
    ordered = sorted(points, key=lambda point: point.score)
    index = bisect_left(ordered, score, key=lambda point: point.score)
    right = ordered[min(max(index, 1), len(ordered) - 1)]
    left = ordered[min(max(index, 1), len(ordered) - 1) - 1]
    span = right.score - left.score
    share = (score - left.score) / span if span else 0.0
    low, high = math.log(left.size_bytes), math.log(right.size_bytes)
    return low + (high - low) * share

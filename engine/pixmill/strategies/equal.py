"""The search for the lowest quality that keeps a score.

Scores rise with quality but for noise, steeply at its ends and slowly between: the next quality is
read off the line through what is known on both sides. Must not encode: it is given what does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Reached", "lowest_reaching"]

_LOWEST: Final = 1
_HIGHEST: Final = 100
_SLOPE: Final = 0.7
"""Points of score for one of quality, as long as one score alone is known: 0.4 to 1.1 between
qualities 50 and 90 of JPEG, WebP and AVIF."""
_MOST_GUESSES: Final = 5
"""Scores after which what is left is halved, and twice as many after which it is let be."""
_CLOSE: Final = 0.3
"""Points above the score wanted that are not worth another look."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Where a search ended.

    Attributes:
        quality: The quality; 100 where none reaches the score.
        score: What it scores.
    """

    quality: int
    score: float


def lowest_reaching(score_of: Callable[[int], float], wanted: float, first: int) -> Reached:
    """Find the lowest quality that scores what is wanted, or nearly 0.3 more.

    Args:
        score_of: Encodes at a quality, 1 to 100, and scores it; asked ten times at most.
        wanted: The score.
        first: Quality to begin with.
    """
    scores: dict[int, float] = {}
    below, above, quality = _LOWEST - 1, _HIGHEST + 1, first
    while above - below > 1 and len(scores) < 2 * _MOST_GUESSES:
        scores[quality] = score_of(quality)
        if scores[quality] >= wanted:
            above = quality
            if scores[quality] <= wanted + _CLOSE:
                break
        else:
            below = quality
        quality = _guess(scores, below, above, wanted=wanted)
    best = min(above, _HIGHEST)
    return Reached(best, scores[best] if best in scores else score_of(best))


def _guess(scores: dict[int, float], below: int, above: int, *, wanted: float) -> int:
    """Return a quality strictly between one that falls short and one that does not."""
    if len(scores) >= _MOST_GUESSES:
        return (below + above) // 2
    low, high = scores.get(below), scores.get(above)
    if low is not None and high is not None and high > low:
        guess = below + (above - below) * (wanted - low) / (high - low)
    elif low is not None:
        guess = below + max(1.0, (wanted - low) / _SLOPE)
    elif high is not None:
        guess = above - max(1.0, (high - wanted) / _SLOPE)
    else:
        guess = (below + above) / 2
    return min(max(below + 1, round(guess)), above - 1)

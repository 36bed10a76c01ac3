"""The search for the highest quality whose file fits a size.

Each encode measures how far this image lies from the curve that most images follow
(`CodecSpec.size_curve`), and the next guess is read off the curve moved there. Where a sample of
the pixels can be encoded, which is cheap, it bends the curve to this image first, and tells whether
the next quality could fit at all. `bench/search.py` measures how many encodes it takes; plain
bisection takes 6.7. Must not encode: it is given what does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pixmill.strategies.curve import Curve, average

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Bracket", "Clues", "Found", "highest_fitting"]

# The deepest dip measured: 1.3% (WebP), 0.07% (JPEG) over 5,000 steps each
# (research/metrics-and-models.md, section 4).
_MAX_DIP = 1.015
_HAIR = 1.003
"""A miss that is no larger is tried past where the sample does not tell of single steps.

Of 1,680 steps of WebP, tuning half, 17 go down, 2 of them by more than this.
"""
_MOST_DIPS = 2
"""Qualities tried past a miss: a step may change nothing, as 5 % of WebP's below 75 do."""
_MOST_GUESSES = 6
"""Encodes after which the curve is no longer believed, and what is left is halved."""
_FIRST_SAMPLED = 75
_GENEROUS = math.log(1.5)
"""How far below the cap the highest quality must be expected, to be tried without a sample."""
_RISE_ERROR = 0.4
"""Share of a rise in size that the sample may have wrong; at 0.3 one JPEG of 28 ends one low."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bracket:
    """What is searched.

    Attributes:
        target_bytes: The cap.
        low: Lowest acceptable quality.
        high: Highest quality of use, at least `low`.
    """

    target_bytes: int
    low: int
    high: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Clues:
    """What is known before anything is encoded.

    Attributes:
        curve: The codec's `size_curve`; empty for plain bisection.
        jitter: The codec's `size_jitter`.
        reach: The codec's `sample_reach`.
        sample: Encodes a sample at a quality and returns what size that makes of the whole.
        like_quality: Quality at which a size is known or guessed already.
        like_bytes: That size, or 0.
    """

    curve: tuple[float, ...] = ()
    jitter: float = 0.0
    reach: int = 0
    sample: Callable[[int], int] | None = None
    like_quality: int = _FIRST_SAMPLED
    like_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """What a search ended with.

    Attributes:
        quality: Highest quality that fits, or `None` if not even the lowest does.
        lowest_bytes: Smallest size that was seen.
        encodes: How many sizes were asked for.
        samples: How many sizes of the sample were.
    """

    quality: int | None
    lowest_bytes: int
    encodes: int
    samples: int = 0


@dataclass(slots=True)
class _Search:
    size_of: Callable[[int], int]
    bracket: Bracket
    clues: Clues
    sampled: Curve = field(init=False)
    whole: Curve = field(init=False)
    sizes: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        clues, like = self.clues, average(self.clues.curve)
        moved = math.log(clues.like_bytes) - like(clues.like_quality) if clues.like_bytes else 0.0
        self.sampled = Curve(lambda quality: like(quality) + moved)
        self.whole = Curve(self.sampled.at)

    @property
    def wanted(self) -> float:
        return math.log(self.bracket.target_bytes)

    def fits(self, quality: int) -> bool:
        """Encode the whole, and note what it takes."""
        self.sizes[quality] = self.size_of(quality)
        self.whole.measured[quality] = _log(self.sizes[quality])
        return self.sizes[quality] <= self.bracket.target_bytes

    def is_sampled(self, quality: int) -> bool:
        """Encode the sample unless it was nearby, and return whether it had been."""
        sample = self.clues.sample
        known = any(abs(quality - one) <= self.clues.reach for one in self.sampled.measured)
        if sample is not None and not known:
            self.sampled.measured[quality] = _log(sample(quality))
        return sample is None or known

    def first(self) -> int:
        """Return the first quality to try: the highest where the cap seems generous."""
        low, high = self.bracket.low, self.bracket.high
        is_blind = self.clues.sample is None and not self.clues.like_bytes
        if is_blind or not self.clues.curve:
            return high
        if self.clues.like_bytes and self.whole.at(high) + _GENEROUS <= self.wanted:
            return high
        self.is_sampled(min(max(low, _FIRST_SAMPLED), high))
        return self.guess(low - 1, high + 1)

    def guess(self, below: int, above: int) -> int:
        """Return the next quality to try, strictly between one that fits and one that does not."""
        if not self.clues.curve or len(self.sizes) >= _MOST_GUESSES:
            return (below + above) // 2
        best = self._expected(below, above)
        for _ in range(_MOST_GUESSES):
            # The one above decides whether the search ends with this guess.
            if self.is_sampled(best) and (best + 1 >= above or self.is_sampled(best + 1)):
                break
            best = self._expected(below, above)
        return best

    def _expected(self, below: int, above: int) -> int:
        fitting = (q for q in range(above - 1, below + 1, -1) if self._is_near(q))
        return next(fitting, below + 1)

    def _is_near(self, quality: int) -> bool:
        """Whether this quality may well fit: what is in doubt says most once it is encoded."""
        return self.whole.at(quality) <= self.wanted + self.clues.jitter / 2

    def is_expected(self, quality: int) -> bool:
        """Whether this quality should fit, as the sample bends the curve."""
        self.is_sampled(quality)
        return self._is_near(quality)

    def is_flat(self, quality: int) -> bool:
        """Whether the step above a quality is so small that one which strays may go down."""
        shape = self.sampled.shape
        return shape(quality + 1) - shape(quality) <= 2 * self.clues.jitter

    def is_beyond(self, quality: int) -> bool:
        """Whether this quality cannot fit, as the one below it and the sample's rise say."""
        if self.clues.sample is None or not self.clues.curve:
            return False
        if len(self.sizes) >= _MOST_GUESSES:
            return False
        self.is_sampled(quality - 1)
        self.is_sampled(quality)
        rise = abs(self.sampled.at(quality) - self.sampled.at(quality - 1))
        return self.whole.at(quality) > self.wanted + self.clues.jitter + _RISE_ERROR * rise


def highest_fitting(size_of: Callable[[int], int], bracket: Bracket, clues: Clues) -> Found:
    """Find the highest quality of the bracket whose size is at most the target.

    Sizes are not strictly monotone in quality: where the first quality above the best one misses
    the target by no more than such a dip can be, the one after it is tried too. The quality above
    the best one is not encoded where the sample shows it to be too large by more than it errs.

    Args:
        size_of: Encodes at a quality and returns the size in bytes.
        bracket: Where to search.
        clues: What is known before.

    Returns:
        The quality, or `None` with the smallest size seen.
    """
    search = _Search(size_of, bracket, clues)
    low, high = bracket.low, bracket.high
    below, above = low - 1, high + 1
    quality = search.first()
    while True:
        if search.fits(quality):
            below = quality
        else:
            above = quality
        if above - below <= 1 or (below >= low and search.is_beyond(below + 1)):
            break
        quality = search.guess(below, above)
    best = below if below >= low else None
    for quality in range(above, above + _MOST_DIPS):
        if not _may_dip(search, quality):
            break
        if search.fits(quality + 1):
            best = quality + 1
    return Found(best, min(search.sizes.values()), len(search.sizes), len(search.sampled.measured))


def _may_dip(search: _Search, above: int) -> bool:
    """Whether the quality above one that was too large by a hair may be worth trying."""
    size_bytes = search.sizes.get(above)
    if size_bytes is None or above + 1 > search.bracket.high or above + 1 in search.sizes:
        return False
    if size_bytes > search.bracket.target_bytes * _MAX_DIP:
        return False
    is_hair = size_bytes <= search.bracket.target_bytes * _HAIR
    if search.clues.reach and is_hair and search.is_flat(above):
        return True
    return search.clues.sample is None or search.is_expected(above + 1)


def _log(size_bytes: int) -> float:
    return math.log(max(1, size_bytes))

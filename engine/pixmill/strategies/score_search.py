"""The search for the lowest quality whose score reaches a target.

As in the search for a size, each encode measures how far this image lies from the curve that most
images follow (`CodecSpec.score_curve`), and a sample of the pixels, which is cheap to encode and to
score, bends the curve to this image first. It ends with the first score that is hardly above the
target: lower qualities would save little. `bench/search.py` measures how many encodes it takes.
Must not encode nor score: it is given what does.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pixmill.registry import codec
from pixmill.strategies.curve import Curve, average

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.header import Header

__all__ = [
    "BAND",
    "Aim",
    "Hints",
    "Reached",
    "expected_score",
    "is_good_enough",
    "level_of",
    "lowest_reaching",
]

BAND: Final = 1.5
"""How far above the target a score may be that ends the search."""

_GUESS: Final = 1 / 3
"""How far into the band above the target to aim."""
_MOST_GUESSES: Final = 6
"""Encodes after which the curve is no longer believed, and what is left is halved."""
_FIRST_SAMPLED: Final = 75
_LEAST_ERROR: Final = 0.01
"""Below 100, as a score is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """What is searched.

    Attributes:
        target: The score to reach.
        low: Lowest acceptable quality.
        high: Highest quality of use, at least `low`.
        band: How far above the target a score may be that ends the search.
    """

    target: float
    low: int
    high: int
    band: float = BAND


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What is known before anything is encoded.

    Attributes:
        curve: The codec's `score_curve`; empty for plain bisection.
        sample: Encodes a sample at a quality and returns its score, or `None`.
        reach: How many qualities away a sample's score still tells more than another there would.
        level: How much closer the whole is known to come than the sample and the curve let expect,
            on the scale of `closeness`: as it did in another manner.
        flattery: How much less than the whole a sample lacks, as the logarithm of their quotient,
            for each point that it lacks.
    """

    curve: tuple[float, ...] = ()
    sample: Callable[[int], float] | None = None
    reach: int = 0
    level: float = 0.0
    flattery: float = 0.0


@dataclass(frozen=True, slots=True)
class Reached:
    """What a search ended with.

    Attributes:
        quality: The quality, or `None` if not even the highest reaches the target.
        score: Its score; the best that was seen where there is none.
        encodes: How many scores of the whole were asked for.
        samples: How many of the sample were.
    """

    quality: int | None
    score: float
    encodes: int
    samples: int = 0


@dataclass(slots=True)
class _Search:
    score_of: Callable[[int], float]
    aim: Aim
    hints: Hints
    sampled: Curve = field(init=False)
    whole: Curve = field(init=False)
    scores: dict[int, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        like = average(tuple(map(_closeness, self.hints.curve)))
        self.sampled = Curve(like)
        self.whole = Curve(self._by_sample)

    def score(self, quality: int) -> float:
        """Encode the whole, and note its score."""
        self.scores[quality] = self.score_of(quality)
        self.whole.measured[quality] = _closeness(self.scores[quality])
        return self.scores[quality]

    def guess(self, below: int, above: int) -> int:
        """Return the next quality to try, strictly between one that misses and one that reaches."""
        if not self.hints.curve or len(self.scores) >= _MOST_GUESSES:
            return (below + above) // 2
        best = self._expected(below, above)
        for _ in range(_MOST_GUESSES):
            if self._is_sampled(best):
                break
            best = self._expected(below, above)
        return best

    def _by_sample(self, quality: int) -> float:
        """Return what the sample lets expect of the whole, which its seams make look better."""
        closeness = self.sampled.at(quality)
        if not self.sampled.measured:
            return closeness + self.hints.level
        return closeness + self.hints.level - self.hints.flattery * math.exp(-closeness)

    def _expected(self, below: int, above: int) -> int:
        wanted = _closeness(self.aim.target + _GUESS * self.aim.band)
        reaching = (q for q in range(below + 1, above - 1) if self.whole.at(q) >= wanted)
        return next(reaching, above - 1)

    def _is_sampled(self, quality: int) -> bool:
        """Encode the sample unless it was nearby, and return whether it had been."""
        sample = self.hints.sample
        known = any(abs(quality - one) <= self.hints.reach for one in self.sampled.measured)
        if sample is not None and not known:
            self.sampled.measured[quality] = _closeness(sample(quality))
        return sample is None or known


def lowest_reaching(score_of: Callable[[int], float], aim: Aim, hints: Hints) -> Reached:
    """Find a quality of the bracket whose score lies in the band above the target.

    Where no quality does, it is the lowest that reaches the target, as far as scores rise with it.

    Args:
        score_of: Encodes at a quality and returns the score.
        aim: Where to search.
        hints: What is known before.

    Returns:
        The quality, or `None` with the best score seen.
    """
    search = _Search(score_of, aim, hints)
    below, above = aim.low - 1, aim.high + 1
    while above - below > 1:
        quality = search.guess(below, above)
        score = search.score(quality)
        if score < aim.target:
            below = quality
        else:
            above = quality
            if score <= aim.target + aim.band:
                break
    samples = len(search.sampled.measured)
    if above > aim.high:
        return Reached(None, max(search.scores.values()), len(search.scores), samples)
    return Reached(above, search.scores[above], len(search.scores), samples)


def is_good_enough(header: Header, target: float) -> bool:
    """Return whether a source was stored at a quality that is hardly above the target by itself.

    To encode it again would lose as much once more, and each time that it is done.
    """
    spec = codec(header.codec)
    curve = spec.score_curve if header.is_subsampled else spec.full_score_curve
    if header.quality is None or not curve:
        return False
    return expected_score(curve, header.quality) <= target + BAND


def expected_score(curve: tuple[float, ...], quality: int) -> float:
    """Return the score that most images have at a quality."""
    return average(curve)(quality)


def level_of(score: float, quality: int, hints: Hints) -> float:
    """Return how much closer an image came at a quality than hints without a level let expect."""
    search = _Search(lambda _: score, Aim(target=score, low=quality, high=quality), hints)
    search.guess(quality - 1, quality + 1)
    return _closeness(score) - search.whole.at(quality)


def _closeness(score: float) -> float:
    """Return a score on the scale on which images differ by a level: the logarithm of what lacks.

    At low qualities scores lie far apart, and near 100 close together.
    """
    return -math.log(max(_LEAST_ERROR, 100 - score))

"""The smallest encoding of one image that reaches a score: which are searched, in which order.

Must not encode, decode nor decide what is published: it is given what encodes and what scores.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Final, Protocol

from pixmill.strategies.score_search import (
    BAND,
    Aim,
    Hints,
    expected_score,
    level_of,
    lowest_reaching,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pixmill.codecs.spec import CodecSpec, Encoding

__all__ = ["Aiming", "Scored", "Scorer"]

_EXACT: Final = 100.0
_SURE: Final = 2.0
"""How far below the target the sample must stay for the whole not to be tried: it scores within
1.0 of the whole from quality 80 on, standard deviation, and above it before (28 photos)."""
_NEAR: Final = 6
"""How many qualities away another way to encode may score what the usual one does."""


@dataclass(frozen=True, slots=True)
class Scored:
    """An encoding that was made.

    Attributes:
        encoding: How.
        content: The file.
        score: How near it comes to the image, 100 for equal.
    """

    encoding: Encoding
    content: bytes
    score: float


class Scorer(Protocol):
    """What scores encodings of the image; `imaging.judge.Judge` does."""

    @property
    def has_sample(self) -> bool:
        """Whether a small part of the image can stand for it."""

    @property
    def seams(self) -> float:
        """How much of that part lies at seams: 1 for squares of 64 px, less for larger ones."""

    def score(self, content: bytes, codec_name: str, /) -> float:
        """Return the score of the image encoded."""

    def sample_score(self, encoding: Encoding, /) -> float:
        """Return the score of that part under an encoding."""


@dataclass(slots=True)
class Aiming:
    """The search among an image's encodings.

    Attributes:
        spec: The codec's record.
        target: The score to reach.
        qualities: Those that may be used, from the lowest to the highest.
        encode: Encodes the image.
        judge: Scores what was encoded.
        pixels: Of the image.
        best: What came nearest to the image so far.
    """

    spec: CodecSpec
    target: float
    qualities: range
    encode: Callable[[Encoding], bytes]
    judge: Scorer
    pixels: int
    best: Scored | None = None

    def smallest(self, encodings: tuple[Encoding, ...]) -> Scored | None:
        """Return the smallest of these that reaches the target, each at a quality of its own."""
        made = [scored for each in encodings if (scored := self._reached(each)) is not None]
        return min(made, key=lambda scored: len(scored.content), default=None)

    def nearly_lossless(self, encoding: Encoding) -> Scored | None:
        """Return what a coding without loss, or nearly, makes of an image that nothing else does.

        Args:
            encoding: What it would have been.
        """
        if not self.spec.supports_lossless:
            return None
        plain = replace(encoding, is_full_chroma=False, is_subsampled=False)
        nearly = (
            replace(plain, quality=quality, is_near_lossless=True)
            for quality in self.spec.near_lossless
        )
        made = map(self._made, (*nearly, replace(plain, quality=None)))
        return next((scored for scored in made if scored.score >= self.target), None)

    def _reached(self, encoding: Encoding) -> Scored | None:
        if encoding.quality is None:
            scored = self._made(encoding)
            return scored if scored.score >= self.target else None
        for mode in self._modes(encoding):
            found = self._searched(mode, self._qualities(mode))
            if found is not None:
                return found if found.score <= self.target + BAND else self._closer(found)
        return None

    def _modes(self, encoding: Encoding) -> Iterator[Encoding]:
        """Yield an encoding with chroma halved and whole, as far as each is of use.

        A switch from one to the other in the middle of a search, as libvips' own at quality 90,
        would be a leap in the score: 5 points in the mean of 28 photos.
        """
        if not self.spec.supports_lossy or encoding.is_full_chroma:
            yield encoding
            return
        halved = replace(encoding, is_subsampled=True)
        if not self._is_hopeless(halved):
            yield halved
        yield replace(encoding, is_full_chroma=True)

    def _is_hopeless(self, encoding: Encoding) -> bool:
        """Whether not even its highest quality will do, as far as a sample or the curve tells."""
        quality = self._qualities(encoding)[-1]
        expected = expected_score(self._curve(encoding), quality)
        if self.judge.has_sample:
            expected = self.judge.sample_score(replace(encoding, quality=quality))
        return bool(self.spec.score_curve) and expected + _SURE < self.target

    def _qualities(self, encoding: Encoding) -> range:
        low, high = self.qualities[0], self.qualities[-1]
        if encoding.is_subsampled:
            high = min(high, self.spec.halved_until)
        return range(min(low, high), high + 1)

    def _curve(self, encoding: Encoding) -> tuple[float, ...]:
        if encoding.is_palette:
            return self.spec.palette_score_curve
        is_full = encoding.is_full_chroma and bool(self.spec.full_score_curve)
        return self.spec.full_score_curve if is_full else self.spec.score_curve

    def _closer(self, found: Scored) -> Scored:
        """Return the smallest that lies between what was found and the next lower quality."""
        quality, best = found.encoding.quality or 0, found
        if quality <= self.qualities[0]:
            return found
        level = level_of(found.score, quality, self._hints(found.encoding))
        for other in self._between(found.encoding):
            near = range(quality - _NEAR, quality + _NEAR + 1)
            qualities = [each for each in self._qualities(other) if each in near]
            made = self._searched(other, qualities, level=level)
            if made and len(made.content) < len(best.content):
                best = made
            if best.score <= self.target + BAND:
                break
        return best

    def _between(self, encoding: Encoding) -> tuple[Encoding, ...]:
        """Return other ways to encode a still; none where the user chose how."""
        if self.spec.between is None or encoding.is_moving or encoding.tuned:
            return ()
        every = dict.fromkeys(self.spec.between(encoding, self.pixels))
        return tuple(each for each in every if each != encoding)

    def _searched(
        self, encoding: Encoding, qualities: Sequence[int], *, level: float = 0.0
    ) -> Scored | None:
        """Return the encoding at the lowest quality that reaches the target."""
        scores: dict[int, float] = {}
        best: list[Scored] = []

        def score_of(quality: int) -> float:
            lowest = max(qualities[0], self._lowest_alike(quality))
            if lowest not in scores:
                scored = self._made(replace(encoding, quality=lowest))
                scores[lowest] = scored.score
                best[:] = [scored] if scored.score >= self.target else best
            return scores[lowest]

        found = lowest_reaching(
            score_of,
            Aim(target=self.target, low=qualities[0], high=qualities[-1]),
            replace(self._hints(encoding), level=level),
        )
        return best[0] if best and found.quality is not None else None

    def _hints(self, encoding: Encoding) -> Hints:
        """Return what the record and a sample tell of an encoding's scores."""

        @cache
        def sample_score(quality: int) -> float:
            return self.judge.sample_score(replace(encoding, quality=quality))

        curve = self._curve(encoding)
        # a part of an image has fewer colours, and looks better for it: up to 12 points at 80
        is_sampled = self.judge.has_sample and bool(curve) and not encoding.is_palette
        return Hints(
            curve=curve,
            sample=(lambda each: sample_score(self._lowest_alike(each))) if is_sampled else None,
            reach=self.spec.sample_reach,
            flattery=self.spec.sample_flattery * self.judge.seams,
        )

    def _lowest_alike(self, quality: int) -> int:
        return self.spec.lowest_alike(quality) if self.spec.lowest_alike else quality

    def _made(self, encoding: Encoding) -> Scored:
        content = self.encode(encoding)
        is_exact = encoding.quality is None and self.spec.is_exact and not encoding.is_palette
        score = _EXACT if is_exact else self.judge.score(content, encoding.codec)
        scored = Scored(encoding, content, score)
        if self.best is None or score > self.best.score:
            self.best = scored
        return scored

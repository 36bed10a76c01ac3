"""What a format would take of one image at equal looks, estimated on a sample of its pixels.

Must not decide between formats, nor encode a whole image but the yardstick.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from pixmill.codecs.spec import Encoding
from pixmill.imaging.colour import opaque
from pixmill.imaging.encode import encoded
from pixmill.imaging.judge import Judge
from pixmill.imaging.pages import first_page, page_count
from pixmill.imaging.sample import Sampled, sampled_for_size
from pixmill.perception.metric import cost_bytes
from pixmill.registry import codec
from pixmill.strategies.score_search import Aim, Hints, lowest_reaching

if TYPE_CHECKING:
    import pyvips

    from pixmill.plan import Plan

__all__ = ["Weighed", "Weighing", "weighing_bytes"]

_DECODED_BYTES: Final = 19
"""Bytes a pixel that decoding a result holds at most: AVIF at full chroma."""
_RASTERS: Final = 4
"""Rasters beside the plan's own: the yardstick's, its result, and eight-bit RGB of either side."""
_CORNER_PX: Final = 8
_HIGHEST: Final = 100
_CLOSE: Final = 0.3
"""Points above the score wanted that are not worth another look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """What a format is expected to take.

    Attributes:
        name: Its codec.
        size_bytes: Of the whole image; 0 where there is no telling.
        quality: At which it looks as the yardstick does; `None` where it has none.
    """

    name: str
    size_bytes: int
    quality: int | None


def weighing_bytes(plan: Plan) -> int:
    """Return what weighing the formats of an image holds beside its pixels and the encoder."""
    pixels = plan.width_px * plan.height_px
    metric_bytes = cost_bytes(plan.width_px, plan.height_px, is_cached=True)
    rasters_bytes = _RASTERS * pixels * (3 + plan.has_alpha)
    return metric_bytes * (2 if plan.has_alpha else 1) + rasters_bytes + pixels * _DECODED_BYTES


@dataclass(slots=True)
class Weighing:
    """Scores and estimates of one image.

    Args:
        image: Its finished pixels, in memory.
        yardstick: The encoding whose looks are wanted, or the score that is.
    """

    image: pyvips.Image
    yardstick: Encoding | float
    wanted: float = field(init=False)
    sample_wanted: float = field(init=False)
    _judge: Judge = field(init=False)
    _sample: Sampled | None = field(init=False)
    _scores: dict[Encoding, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Measure what the yardstick loses, of an image that it can hold."""
        self._sample = sampled_for_size(self.image)
        if not isinstance(self.yardstick, Encoding):
            self.wanted = self.sample_wanted = self.yardstick
            self._judge = Judge(self.image)
            return
        is_moving = page_count(self.image) > 1
        shown = opaque(first_page(self.image) if is_moving else self.image)
        content = encoded(shown, self.yardstick)
        judge = Judge(shown)
        self.wanted = judge.score(content, self.yardstick.codec)
        self.sample_wanted = judge.sample_score(self.yardstick)
        self._judge = Judge(self.image) if shown is not self.image else judge

    def score(self, content: bytes, codec_name: str) -> float:
        """Return the score of a result."""
        return self._judge.score(content, codec_name)

    def weighed(self, encodings: tuple[Encoding, ...]) -> Weighed:
        """Return what the smallest of a format's encodings takes, and the quality of the lossy one.

        Args:
            encodings: What the strategy offers, at whatever quality; at least one.
        """
        sizes_bytes, quality = [], None
        for encoding in (replace(each, is_moving=False) for each in encodings):
            if encoding.quality is not None and not encoding.is_palette:
                quality = self.quality(encoding, self.sample_wanted)
                sizes_bytes.append(self._whole_bytes(replace(encoding, quality=quality)))
            else:
                sizes_bytes.append(self._whole_bytes(encoding))
        return Weighed(name=encodings[0].codec, size_bytes=min(sizes_bytes), quality=quality)

    def mended(self, encoding: Encoding, score: float) -> int:
        """Return the quality that should score what is wanted on the whole.

        Args:
            encoding: What was encoded, still without that.
            score: What it scored.
        """
        still = replace(encoding, is_moving=False)
        return self.quality(still, self.wanted - score + self._score(still))

    def quality(self, encoding: Encoding, wanted: float) -> int:
        """Return the lowest quality at which the sample scores what is wanted."""

        def score_of(quality: int) -> float:
            return self._score(replace(encoding, quality=quality))

        curve = codec(encoding.codec).score_curve
        aim = Aim(target=wanted, low=1, high=_HIGHEST, band=_CLOSE)
        return lowest_reaching(score_of, aim, Hints(curve=curve)).quality or _HIGHEST

    def _score(self, encoding: Encoding) -> float:
        if encoding not in self._scores:
            self._scores[encoding] = self._judge.sample_score(encoding)
        return self._scores[encoding]

    def _whole_bytes(self, encoding: Encoding) -> int:
        if page_count(self.image) > 1:
            return 0  # what frames have in common no single one tells
        if self._sample is None:
            return len(encoded(self.image, encoding))
        return self._sample.whole_bytes(encoding)

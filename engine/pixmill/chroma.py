"""Whether a drawing's chroma is stored halved or whole: whichever is smaller at equal looks.

Both are tried on a sample of the pixels. What halved chroma loses at the quality asked for, whole
chroma may lose by a lower quality, which is then proved on the whole image, unless that is large
and the effort fast; where halving it ruins the image, whole chroma is taken. Must not publish what
it encodes, nor compare names of formats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pixmill.imaging.encode import encoded
from pixmill.imaging.judge import Judge
from pixmill.imaging.load import reopened
from pixmill.imaging.sample import sampled_for_size
from pixmill.imaging.score import is_cheap, likeness
from pixmill.perception.kernels import has_kernel
from pixmill.registry import codec
from pixmill.strategies.score_search import Aim, Hints, lowest_reaching
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    import pyvips

    from pixmill.codecs.spec import Encoding

__all__ = ["has_choice", "with_best_chroma"]

# Where halved chroma scores less it shows, above all at saturated edges: of 35 drawings as JPEG at
# 80 two score 31 and 58 so, and 71 with whole chroma at 69 and 58, in 10 and 3 % more bytes.
_LEAST_SCORE: Final = 70.0
_BAND: Final = 0.5
"""Points beside the score wanted that are not worth another look."""
_ABOVE: Final = 1.5
"""Likewise above it, on the whole."""
_MOST_MENDS: Final = 4
_LEAST_BANDS: Final = 3
_MOST_PROVED_PX: Final = 2_500_000
"""Beyond a screen of 1920 px, proofs are roughly encoded, and fast ones left out: at 4 and 20 MP a
choice took 5 to 14 times the CPU of an encode at fast and 4 to 8 at balanced, 1.7 and 1.4 without
any, 2 to 3 with rough ones (8 encodes of tiled screenshots)."""
_ROUGH_POINTS: Final = 2.0
"""What rough proofs score above what is then made, 0.9 to 2.3 on the same."""
_BYTES_A_POINT: Final = 0.05
"""Logarithm of the bytes that a point costs, at most: 4 % for JPEG at 60 to 80, 15 drawings."""


def has_choice(encoding: Encoding) -> bool:
    """Whether an encoding's chroma can be chosen: of a still, at a quality, by what can score it.

    Pixels that are stored again by their own tables keep their own chroma.
    """
    is_drawn = encoding.is_full_chroma and encoding.quality is not None
    is_open = is_drawn and encoding.tables is None and not encoding.is_moving
    return is_open and codec(encoding.codec).can_try_chroma and has_kernel()


def with_best_chroma(image: pyvips.Image, encoding: Encoding) -> Encoding:
    """Return an encoding of a drawing with the chroma that costs least at equal looks.

    Args:
        image: The finished pixels, in memory.
        encoding: With whole chroma, at the quality asked for, of a codec that tries both.

    Raises:
        ImagingError: The format cannot hold it.
    """
    if image.bands < _LEAST_BANDS:
        return encoding  # grey, to which three encodes and two scores would say nothing
    if not is_cheap(image):
        return encoding  # for a strip, scores hold more than was planned
    return _Choice(image, encoding).best()


@dataclass(frozen=True, slots=True)
class _Made:
    """What the whole image takes under an encoding, and scores."""

    size_bytes: int
    score: float


class _Choice:
    """The choice for one image."""

    def __init__(self, image: pyvips.Image, whole: Encoding) -> None:
        self._image, self._whole = image, whole
        self._halved = replace(whole, is_full_chroma=False, is_subsampled=True)
        self._judge, self._sample = Judge(image), sampled_for_size(image)
        self._is_large = image.width * image.height > _MOST_PROVED_PX

    def best(self) -> Encoding:
        """Return the smaller by the sample; whole chroma must prove itself on all of the image.

        So must halved chroma, unless the image is large: of 35 drawings two that scored 79 by their
        squares scored 67 and 69, and a gaudy strip between the squares of a grey one 46 for 80. A
        rough proof takes 20 ms/MP, and its score 35.
        """
        score = self._score(self._halved)
        best = self._smaller(score)
        is_doubtful = best == self._halved and not self._is_large
        if is_doubtful and self._is_ruined():
            return self._proved(self._at_score(_LEAST_SCORE))
        return best

    def _smaller(self, score: float) -> Encoding:
        """Return the smaller by the sample, given what that scores with chroma halved."""
        size_bytes, is_ruined = self._sample_bytes(self._halved), score < _LEAST_SCORE
        gained = self._score(self._whole) - score
        worth_bytes = size_bytes * math.exp(_BYTES_A_POINT * max(0.0, gained))
        if not is_ruined and self._sample_bytes(self._whole) > worth_bytes:
            return self._halved
        if self._is_large and self._whole.effort is Effort.FAST:
            return self._whole  # as it was asked for: a lower quality would want a proof
        whole = self._at_score(max(score, _LEAST_SCORE))
        if not is_ruined and self._sample_bytes(whole) > size_bytes:
            return self._halved
        return self._proved(whole)

    def _is_ruined(self) -> bool:
        """Whether halved chroma shows on the whole image, or nearly so."""
        self._judge.forget()
        content = encoded(self._image, _rough(self._halved))
        score = likeness(self._image, reopened(content, self._halved.codec))
        return score < _LEAST_SCORE + _ROUGH_POINTS

    def _proved(self, whole: Encoding) -> Encoding:
        """Return whole chroma at a quality that the image bears, or halved where that is smaller.

        Squares tell what chroma costs within some points: one screenshot scored 75 as they were
        and 79 as a whole.
        """
        halved = self._made(self._halved)
        least_score = _LEAST_SCORE + self._is_large * _ROUGH_POINTS
        wanted = max(halved.score, least_score)
        tried: dict[Encoding, _Made] = {}
        while whole not in tried and len(tried) < _MOST_MENDS:
            tried[whole] = made = self._made(whole)
            if wanted - _BAND <= made.score <= wanted + _ABOVE:
                break
            whole = self._at_score(wanted - made.score + self._score(whole))
        good = [each for each in tried if tried[each].score >= wanted - _BAND] or [self._whole]
        best = min(good, key=lambda each: tried[each].size_bytes if each in tried else 0)
        is_larger = best in tried and tried[best].size_bytes > halved.size_bytes
        return self._halved if is_larger and halved.score >= least_score else best

    def _at_score(self, wanted: float) -> Encoding:
        """Return whole chroma at the lowest quality whose sample scores so, or as it was asked."""
        highest = self._whole.quality or 1
        found = lowest_reaching(
            lambda quality: self._score(replace(self._whole, quality=quality)),
            Aim(target=wanted, low=1, high=highest, band=_BAND),
            Hints(curve=codec(self._whole.codec).full_score_curve),
        )
        return replace(self._whole, quality=found.quality or highest)

    def _score(self, encoding: Encoding) -> float:
        return self._judge.sample_score(_rough(encoding))

    def _sample_bytes(self, encoding: Encoding) -> int:
        if self._sample is None:
            return len(encoded(self._image, _rough(encoding)))
        return self._sample.whole_bytes(_rough(encoding))

    def _made(self, encoding: Encoding) -> _Made:
        self._judge.forget()  # the plan has room for the whole or for the sample
        content = encoded(self._image, _rough(encoding) if self._is_large else encoding)
        return _Made(len(content), likeness(self._image, reopened(content, encoding.codec)))


def _rough(encoding: Encoding) -> Encoding:
    """Return a cheap twin: what more effort saves, it saves of either chroma."""
    return replace(encoding, effort=Effort.FAST, is_flat=False)

"""Score encodings of one finished image against it, as often as a search asks.

What is known of the image is kept, so that each encoding costs half of what a first score does. A
large one is scored strip by strip, with nothing kept, and a mosaic guides the search in its place.
Must not choose an encoding, nor what score is enough.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.imaging.colour import in_srgb
from pixmill.imaging.encode import encoded
from pixmill.imaging.errors import translating
from pixmill.imaging.load import opened_whole, reopened
from pixmill.imaging.pages import page_count, page_height
from pixmill.imaging.probe import probe
from pixmill.imaging.sample import sampled_for_size
from pixmill.model import Stage
from pixmill.perception.metric import Comparison, Raster, Reference
from pixmill.perception.mosaic import TILE_PX, is_worth_it, tiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.codecs.spec import Encoding

__all__ = ["Judge", "sampled_for_score"]

_STRIP_PX: Final = 1 << 17
_BACKGROUNDS: Final = (0, 255)
_PROFILE: Final = "icc-profile-data"
_OPAQUE: Final = {"uchar": 255, "ushort": 65_535}


@dataclass(slots=True)
class _Kept:
    """One image, and what the metric knows of it on each background."""

    image: pyvips.Image
    levels: tuple[int, ...]
    known: dict[int, Reference] = field(default_factory=dict)

    def score(self, candidate: pyvips.Image) -> float:
        """Return the worst score of another image on any background."""
        with translating(Stage.VERIFY):
            shown = _shown(candidate, self.image)
            return min(self._known(level).score(_raster(shown, level)) for level in self.levels)

    def _known(self, level: int) -> Reference:
        if level not in self.known:
            self.known[level] = Reference(_raster(_shown(self.image, self.image), level))
        return self.known[level]


class Judge:
    """What scores encodings of one image.

    Transparency is put on black and on white, and the worse score counts; of frames or pages, the
    worst of the first, the middle and the last, or the first alone where an encoder merged some.

    Args:
        image: The finished pixels, in memory.
        is_thrifty: Whether nothing is kept of a still, which makes a score twice as dear.
    """

    def __init__(self, image: pyvips.Image, *, is_thrifty: bool = False) -> None:
        levels = _BACKGROUNDS if _is_transparent(image) else _BACKGROUNDS[:1]
        pages = page_count(image)
        self._image, self._levels, self._pages = image, levels, pages
        self._is_by_strips = pages == 1 and (is_thrifty or is_worth_it(image.width, image.height))
        self._frames = {
            page: _Kept(_frame(image, page), levels) for page in (0, pages // 2, pages - 1)
        }
        sample = sampled_for_score(image)
        self._sample = _Kept(sample, levels) if sample else None

    @property
    def has_sample(self) -> bool:
        """Whether a small part of the image can stand for it while searching."""
        return self._sample is not None

    @property
    def seams(self) -> float:
        """How much of the sample lies at seams, where 1 is that of squares of 64 px."""
        return 0.5 if is_worth_it(self._image.width, self._image.height) else 1.0

    def score(self, content: bytes, codec_name: str) -> float:
        """Return the score of the image encoded.

        Raises:
            ImagingError: It cannot be decoded.
        """
        if self._is_by_strips:
            return self._score_by_strips(opened_whole(content, probe(content, codec_name)))
        if self._pages == 1:
            return self._frames[0].score(reopened(content, codec_name))
        with translating(Stage.VERIFY):
            candidate = opened_whole(content, probe(content, codec_name)).copy_memory()
        is_whole = page_count(candidate) == self._pages
        pages = self._frames if is_whole else (0,)
        return min(self._frames[page].score(_frame(candidate, page)) for page in pages)

    def sample_score(self, encoding: Encoding) -> float:
        """Return the score of the sample under an encoding, or of the whole without a sample.

        Raises:
            ImagingError: It cannot be encoded.
        """
        kept = self._sample or self._frames[0]
        return kept.score(reopened(encoded(kept.image, encoding), encoding.codec))

    def forget(self) -> None:
        """Let go of what is known of the image and its sample, 20 bytes a pixel, until it is asked.

        For who encodes the whole meanwhile.
        """
        for kept in (*self._frames.values(), self._sample):
            if kept is not None:
                kept.known.clear()

    def _score_by_strips(self, candidate: pyvips.Image) -> float:
        size = (self._image.width, self._image.height)
        with translating(Stage.VERIFY):
            comparisons = {level: Comparison(*size) for level in self._levels}
            ours = _strips(_shown(self._image, self._image))
            theirs = _strips(_shown(candidate, self._image))
            for first, second in zip(ours, theirs, strict=True):
                for level, comparison in comparisons.items():
                    comparison.feed(_raster(first, level).pixels, _raster(second, level).pixels)
        return min(comparison.score() for comparison in comparisons.values())


def sampled_for_score(image: pyvips.Image) -> pyvips.Image | None:
    """Return a small image that scores nearly as the whole does; `None` where there is none.

    Args:
        image: In memory: squares are read all over it.
    """
    if page_count(image) > 1:
        return None
    if not is_worth_it(image.width, image.height):
        sampled = sampled_for_size(image)
        return sampled.mosaic if sampled else None
    every = tiles(image.width, image.height)
    with translating(Stage.ENCODE):
        squares = [image.crop(each.left_px, each.top_px, TILE_PX, TILE_PX) for each in every]
        return pyvips.Image.arrayjoin(squares, across=round(len(every) ** 0.5)).copy_memory()


def _frame(image: pyvips.Image, page: int) -> pyvips.Image:
    height_px = page_height(image)
    if height_px == image.height:
        return image
    return image.crop(0, page * height_px, image.width, height_px)


def _is_transparent(image: pyvips.Image) -> bool:
    if not image.hasalpha():
        return False
    with translating(Stage.PROCESS):
        return bool(image[image.bands - 1].min() < _OPAQUE.get(image.format, 1))


def _shown(image: pyvips.Image, reference: pyvips.Image) -> pyvips.Image:
    """Return an image as eight-bit sRGB, its colours read as those of the reference.

    Some formats store no profile: their pixels mean what they meant before.
    """
    plain = image.copy()
    plain.remove(_PROFILE)
    if reference.get_typeof(_PROFILE):
        plain.set_type(pyvips.GValue.blob_type, _PROFILE, reference.get(_PROFILE))
    return in_srgb(plain).colourspace("srgb")


def _strips(image: pyvips.Image) -> Iterator[pyvips.Image]:
    """Yield the image's rows from top to bottom, strip by strip in memory."""
    region = pyvips.Region.new(image)
    rows = max(1, _STRIP_PX // image.width)
    for top in range(0, image.height, rows):
        taken = min(rows, image.height - top)
        pixels = region.fetch(0, top, image.width, taken)
        strip = pyvips.Image.new_from_memory(pixels, image.width, taken, image.bands, "uchar")
        yield strip.copy(interpretation="srgb")


def _raster(image: pyvips.Image, level: int) -> Raster:
    flat = image.flatten(background=[level] * 3) if image.hasalpha() else image
    return Raster(bytes(flat.write_to_memory()), flat.width, flat.height)

"""The smallest encoding that scores what is asked for, where qualities lie far apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from pixmill.aiming import Aiming, Scored
from pixmill.codecs.spec import Encoding
from pixmill.recipe import CodecOption
from pixmill.registry import codec, codecs
from pixmill.strategies.score_search import BAND
from pixmill.vocabulary import Effort
from test_codecs_save import saved

LOSSY = Encoding(codec="jpg", quality=100, effort=Effort.BALANCED, is_subsampled=True)
BETWEEN = [spec.name for spec in codecs() if spec.between]


@dataclass(frozen=True, slots=True)
class World:
    """An image whose encodings lie `step` points apart, and in another way `shift` lower.

    The other way takes `share` of the bytes, and a part of the image scores `praise` more.
    """

    step: float = 4.0
    shift: float = 2.0
    share: float = 0.9
    praise: float = 1.0
    has_sample: bool = True
    seams: float = 0.0

    def score_at(self, encoding: Encoding) -> float:
        """Return what an encoding scores."""
        lower = self.shift if encoding.effort is Effort.BEST else 0.0
        return self.step * (encoding.quality or 0) - lower

    def encode(self, encoding: Encoding) -> bytes:
        """Return as many bytes as it takes, the first two of which tell the score."""
        share = self.share if encoding.effort is Effort.BEST else 1.0
        told = round(100 * self.score_at(encoding)).to_bytes(2)
        return told + bytes(round(1000 * (encoding.quality or 0) * share))

    def score(self, content: bytes, _codec_name: str) -> float:
        """Return the score that the bytes tell."""
        return int.from_bytes(content[:2]) / 100

    def sample_score(self, encoding: Encoding) -> float:
        """Return what a part of the image scores."""
        return self.score_at(encoding) + self.praise


def found_in(
    world: World, wanted: float, encoding: Encoding = LOSSY, *, low: int = 1, high: int = 25
) -> tuple[Scored, list[Encoding]]:
    """Return what is found for a score, and every encoding that was made on the way."""
    tried: list[Encoding] = []

    def encode(each: Encoding) -> bytes:
        tried.append(each)
        return world.encode(each)

    spec = replace(codec("jpg"), between=lambda each, _px: (replace(each, effort=Effort.BEST),))
    found = Aiming(spec, wanted, range(low, high + 1), encode, world, 1000).smallest((encoding,))
    assert found is not None
    return found, tried


def test_what_lies_between_two_qualities_is_taken() -> None:
    """Where a quality misses and the next is far above, another way hits in fewer bytes."""
    found, tried = found_in(World(), 49.5)
    assert (found.encoding.quality, found.encoding.effort) == (13, Effort.BEST)
    assert 49.5 <= found.score <= 49.5 + BAND
    assert len(tried) <= 5


def test_a_hit_needs_no_other_way() -> None:
    """Where a quality scores in the band, nothing else is tried."""
    found, tried = found_in(World(), 47.5)
    assert (found.encoding.quality, found.score) == (12, 48.0)
    assert {each.effort for each in tried} == {Effort.BALANCED}


def test_what_one_way_tells_of_the_image_holds_for_another() -> None:
    """A sample that flatters misleads one search, and not the next of the same image."""
    _, tried = found_in(World(step=2.0, shift=3.0, praise=8.0), 44.3, high=50)
    assert sum(each.effort is Effort.BEST for each in tried) == 1


def test_a_larger_file_is_not_taken_for_a_nearer_score() -> None:
    """Bytes decide: another way that hits with more of them is left."""
    found, _ = found_in(World(share=1.2), 49.5)
    assert (found.encoding.quality, found.encoding.effort) == (13, Effort.BALANCED)


@pytest.mark.parametrize(
    "encoding",
    [
        replace(LOSSY, is_moving=True),
        replace(LOSSY, tuned=(CodecOption("jpg", "tables", 0),)),
    ],
)
def test_animations_and_what_a_user_set_stay_as_they_are(encoding: Encoding) -> None:
    """Other ways are for stills whose way was left to pixmill."""
    found, tried = found_in(World(), 49.5, encoding)
    assert found.encoding.effort is Effort.BALANCED
    assert all(each.effort is Effort.BALANCED for each in tried)


def test_below_the_lowest_quality_nothing_is_sought() -> None:
    """A floor that scores far above the target is not tried in other ways."""
    found, tried = found_in(World(), 30.0, low=12)
    assert (found.encoding.quality, found.encoding.effort) == (12, Effort.BALANCED)
    assert all(each.effort is Effort.BALANCED for each in tried)


@pytest.mark.parametrize("name", BETWEEN)
@pytest.mark.parametrize("effort", list(Effort))
@pytest.mark.parametrize("is_full", [False, True])
def test_records_name_ways_that_differ(name: str, effort: Effort, is_full: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """What a record offers between qualities is written, as a file of its own."""
    spec = codec(name)
    assert spec.between
    usual = Encoding(
        codec=name, quality=40, effort=effort, is_full_chroma=is_full, is_subsampled=not is_full
    )
    others = dict.fromkeys((*spec.between(usual, 1000), usual))
    files = {saved(each) for each in others}
    assert len(files) == len(others)


def test_qualities_that_are_alike_make_one_file() -> None:
    """What the record of AVIF takes for the same file is, and what it tells apart is not."""
    lowest_alike = codec("avif").lowest_alike
    assert lowest_alike
    files = {
        quality: saved(Encoding(codec="avif", quality=quality, effort=Effort.FAST))
        for quality in range(4, 101)
    }
    for below, above in pairwise(range(4, 101)):
        is_alike = lowest_alike(above) == lowest_alike(below)
        assert (files[below] == files[above]) == is_alike, above


def test_alike_qualities_are_encoded_once() -> None:
    """A search asks for no file twice, and keeps to the floor where a lower one is alike."""
    spec, world, tried = codec("avif"), World(shift=0.0), list[Encoding]()
    assert spec.lowest_alike

    def encode(each: Encoding) -> bytes:
        tried.append(each)
        return world.encode(replace(each, quality=(each.quality or 0) // 5))

    usual = replace(LOSSY, codec="avif")
    found = Aiming(spec, 33.0, range(41, 101), encode, world, 1000).smallest((usual,))
    assert found is not None
    qualities = [each.quality or 0 for each in tried if each.effort is Effort.BALANCED]
    assert min(qualities) >= 41
    files = {spec.lowest_alike(quality) for quality in qualities}
    assert len(qualities) == len(files)

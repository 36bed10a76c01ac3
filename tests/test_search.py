"""The search for a size finds the best quality that fits, in few encodes."""

from __future__ import annotations

import itertools
import math
import random
import statistics
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.registry import codec, codecs
from pixmill.strategies.curve import CURVE_QUALITIES
from pixmill.strategies.search import Bracket, Clues, Found, highest_fitting

if TYPE_CHECKING:
    from collections.abc import Callable

CURVES = [(), *(spec.size_curve for spec in codecs() if spec.size_curve)]
CURVED = [spec.name for spec in codecs() if spec.size_curve]
QUALITIES = range(101)


def searched(
    size_of: Callable[[int], int],
    target_bytes: int,
    *,
    low: int,
    high: int,
    curve: tuple[float, ...],
    sample: Callable[[int], int] | None = None,
) -> Found:
    """Search with a curve, and a sample if there is one."""
    bracket = Bracket(target_bytes=target_bytes, low=low, high=high)
    return highest_fitting(size_of, bracket, Clues(curve=curve, jitter=0.02, sample=sample))


def _on(curve: tuple[float, ...], quality: float) -> float:
    """Return a curve's value, by interpolation of our own."""
    for at in range(1, len(CURVE_QUALITIES)):
        left, right = CURVE_QUALITIES[at - 1], CURVE_QUALITIES[at]
        if quality <= right:
            share = (quality - left) / (right - left)
            return curve[at - 1] + share * (curve[at] - curve[at - 1])
    return curve[-1]


def _noisy_sizes(curve: tuple[float, ...], rng: random.Random) -> list[int]:
    """Return sizes for qualities 0 to 100 of an image that strays from the curve as images do.

    Its slope differs by up to a fifth, the middle is bent by up to a tenth, and sizes rise.
    """
    base_bytes = math.exp(rng.uniform(9, 15))
    slope, bend = rng.uniform(0.8, 1.2), rng.uniform(-0.1, 0.1)
    sizes = [
        base_bytes * math.exp(slope * _on(curve, quality) + bend * math.sin(quality / 15))
        for quality in QUALITIES
    ]
    return [round(size) for size in itertools.accumulate(sizes, max)]


@given(
    st.lists(st.integers(min_value=0, max_value=10**6), min_size=100, max_size=100),
    st.integers(min_value=1, max_value=2 * 10**6),
    st.lists(st.integers(min_value=1, max_value=100), min_size=2, max_size=2),
    st.sampled_from(CURVES),
)
def test_the_search_agrees_with_trying_every_quality(
    raw: list[int], target_bytes: int, edges: list[int], curve: tuple[float, ...]
) -> None:
    """On any sizes that rise with quality, in any bracket, the best that fits is found."""
    sizes = [0, *sorted(raw)]
    low, high = sorted(edges)
    found = searched(sizes.__getitem__, target_bytes, low=low, high=high, curve=curve)
    fitting = [quality for quality in range(low, high + 1) if sizes[quality] <= target_bytes]
    assert found.quality == max(fitting, default=None)
    assert found.lowest_bytes in sizes[low : high + 1]
    if not fitting:
        assert found.lowest_bytes == sizes[low]


def test_a_generous_cap_takes_one_encode() -> None:
    """Where the highest quality fits, nothing else is tried."""
    found = searched(lambda _: 10, 10, low=1, high=90, curve=codec("jpg").size_curve)
    assert (found.quality, found.encodes) == (90, 1)


def test_a_bracket_of_one_is_tried_once() -> None:
    """`low` equal to `high` fits or does not."""
    assert searched(lambda _: 10, 10, low=7, high=7, curve=()).quality == 7
    missed = searched(lambda _: 11, 10, low=7, high=7, curve=())
    assert (missed.quality, missed.lowest_bytes, missed.encodes) == (None, 11, 1)


def test_no_quality_is_tried_twice() -> None:
    """Encodes are dear: each quality is encoded at most once, within the bracket."""
    for seed in range(50):
        rng = random.Random(seed)
        sizes = _noisy_sizes(codec("jpg").size_curve, rng)
        tried: list[int] = []

        def size_of(quality: int, sizes: list[int] = sizes, tried: list[int] = tried) -> int:
            tried.append(quality)
            return sizes[quality]

        target_bytes = rng.randint(sizes[40], sizes[80])
        found = searched(size_of, target_bytes, low=40, high=80, curve=codec("jpg").size_curve)
        assert len(tried) == len(set(tried)) == found.encodes
        assert min(tried) >= 40
        assert max(tried) <= 80


@pytest.mark.parametrize("name", ["webp", "jpg"])
def test_a_small_dip_is_stepped_over(name: str) -> None:
    """Where a quality misses by a hair and the next fits, the next one wins."""
    sizes = [quality * 1000 for quality in QUALITIES]
    sizes[61] = 61_500
    sizes[62] = 60_900
    found = searched(sizes.__getitem__, 61_000, low=40, high=90, curve=codec(name).size_curve)
    assert found.quality == 62


def test_a_sample_that_errs_more_than_a_step_is_asked_less_often() -> None:
    """Where a sample tells of a level and not of steps, a third of them takes as few encodes."""
    curve = codec("webp").size_curve
    encodes: dict[int, list[int]] = {0: [], 12: []}
    samples: dict[int, list[int]] = {0: [], 12: []}
    for seed in range(200):
        rng = random.Random(seed)
        sizes = _noisy_sizes(curve, rng)
        told = [round(size * rng.uniform(0.98, 1.02)) for size in sizes]
        target_bytes = rng.randint(sizes[40], sizes[75])
        for reach, taken in encodes.items():
            clues = Clues(curve=curve, jitter=0.02, reach=reach, sample=told.__getitem__)
            bracket = Bracket(target_bytes=target_bytes, low=40, high=90)
            found = highest_fitting(sizes.__getitem__, bracket, clues)
            assert not reach or found.samples <= 4
            taken.append(found.encodes)
            samples[reach].append(found.samples)
    assert statistics.mean(encodes[12]) <= statistics.mean(encodes[0])
    assert statistics.mean(samples[12]) < statistics.mean(samples[0]) / 3


@pytest.mark.parametrize("dips", [(61_020, 60_990), (61_150, 60_990), (61_020, 61_010, 60_990)])
def test_dips_below_a_hair_are_found_whatever_the_sample_says(dips: tuple[int, ...]) -> None:
    """A sample that cannot tell of single steps cannot rule out that the next ones go down."""
    sizes = [quality * 1000 for quality in QUALITIES]
    sizes[61 : 61 + len(dips)] = dips
    told = [round(size * 1.005**quality) for quality, size in enumerate(sizes)]
    clues = Clues(curve=codec("webp").size_curve, jitter=0.015, reach=12, sample=told.__getitem__)
    bracket = Bracket(target_bytes=61_000, low=40, high=90)
    found = highest_fitting(sizes.__getitem__, bracket, clues)
    assert found.quality == 60 + len(dips)


def tried_on_the_curve(target: float, clues: Clues) -> list[int]:
    """Return the qualities that a search tries on an image that follows its curve.

    Args:
        target: The cap, as the size at a quality times a factor: 61.005 is 0.5 % above that at 61.
        clues: What is known; the sample is added.
    """
    sizes = [round(10**6 * math.exp(_on(clues.curve, quality))) for quality in QUALITIES]
    tried: list[int] = []

    def size_of(quality: int) -> int:
        tried.append(quality)
        return sizes[quality]

    quality = round(target)
    target_bytes = round(sizes[quality] * (1 + target - quality))
    bracket = Bracket(target_bytes=target_bytes, low=40, high=90)
    highest_fitting(size_of, bracket, replace(clues, sample=sizes.__getitem__))
    return tried


def test_a_quality_in_doubt_is_tried_before_one_that_is_sure_to_fit() -> None:
    """What should miss by less than sizes stray says most: the search begins with it."""
    clues = Clues(curve=codec("webp").size_curve, jitter=0.015, reach=12)
    assert tried_on_the_curve(60.995, clues) == [61, 60]
    assert tried_on_the_curve(60.99, clues)[0] == 60


def test_no_dip_is_looked_for_where_steps_are_large() -> None:
    """Where a step is larger than sizes stray, a miss by a hair is a miss."""
    clues = Clues(curve=codec("webp").size_curve, jitter=0.015, reach=12)
    assert tried_on_the_curve(81.999, clues) == [82, 81]
    assert tried_on_the_curve(60.999, clues) == [61, 60, 62]


@pytest.mark.parametrize("name", CURVED)
def test_images_like_the_curve_take_few_encodes(name: str) -> None:
    """On images that stray from the codec's curve as real ones do, the mean is below 4.5."""
    curve = codec(name).size_curve
    encodes, plain = [], []
    for seed in range(300):
        rng = random.Random(seed)
        sizes = _noisy_sizes(curve, rng)
        target_bytes = rng.randint(sizes[40], sizes[90])
        found = searched(sizes.__getitem__, target_bytes, low=40, high=90, curve=curve)
        assert found.quality is not None
        assert sizes[found.quality] <= target_bytes
        encodes.append(found.encodes)
        bisected = searched(sizes.__getitem__, target_bytes, low=40, high=90, curve=())
        plain.append(bisected.encodes)
    assert statistics.mean(encodes) <= 4.5
    assert statistics.mean(encodes) < statistics.mean(plain) - 1


@given(
    st.lists(st.integers(min_value=0, max_value=10**6), min_size=101, max_size=101),
    st.lists(st.integers(min_value=0, max_value=10**6), min_size=101, max_size=101),
    st.integers(min_value=1, max_value=2 * 10**6),
    st.lists(st.integers(min_value=1, max_value=100), min_size=2, max_size=2),
    st.sampled_from(CURVES),
)
def test_any_sizes_end_below_the_target_in_bounded_encodes(
    sizes: list[int],
    sample: list[int],
    target_bytes: int,
    edges: list[int],
    curve: tuple[float, ...],
) -> None:
    """Sizes may leap at will, and the sample lie: what is found fits, after 14 encodes at most."""
    low, high = sorted(edges)
    found = searched(
        sizes.__getitem__,
        target_bytes,
        low=low,
        high=high,
        curve=curve,
        sample=sample.__getitem__,
    )
    assert 1 <= found.encodes <= 14
    if found.quality is not None:
        assert low <= found.quality <= high
        assert sizes[found.quality] <= target_bytes
    elif found.encodes:
        assert found.lowest_bytes > target_bytes


@pytest.mark.parametrize("name", CURVED)
def test_a_good_sample_saves_encodes_and_changes_no_answer(name: str) -> None:
    """A sample that tells the shape within 0.2 % takes fewer than 2.8 encodes, and none wrong."""
    curve = codec(name).size_curve
    encodes = []
    for seed in range(200):
        rng = random.Random(seed)
        sizes = _noisy_sizes(curve, rng)
        level = rng.uniform(0.9, 1.1)
        told = [round(size * level * rng.uniform(0.999, 1.001)) for size in sizes]
        target_bytes = rng.randint(sizes[40], sizes[90])
        found = searched(
            sizes.__getitem__,
            target_bytes,
            low=40,
            high=90,
            curve=curve,
            sample=told.__getitem__,
        )
        fitting = [quality for quality in range(40, 91) if sizes[quality] <= target_bytes]
        assert found.quality == max(fitting)
        encodes.append(found.encodes)
    assert statistics.mean(encodes) < 2.8

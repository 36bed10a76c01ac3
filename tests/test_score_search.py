"""The search for a score ends just above its target, in few encodes."""

from __future__ import annotations

import itertools
import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pixmill.registry import codec, codecs
from pixmill.strategies.curve import CURVE_QUALITIES
from pixmill.strategies.score_search import (
    BAND,
    Aim,
    Hints,
    expected_score,
    level_of,
    lowest_reaching,
)

CURVES = [(), *(spec.score_curve for spec in codecs() if spec.score_curve)]
CURVED = [spec.name for spec in codecs() if spec.score_curve]


@given(
    st.lists(st.floats(min_value=-900, max_value=100), min_size=101, max_size=101),
    st.floats(min_value=1, max_value=100),
    st.lists(st.integers(min_value=1, max_value=100), min_size=2, max_size=2),
    st.sampled_from(CURVES),
)
def test_what_is_found_reaches_and_hardly_exceeds(
    raw: list[float], target: float, edges: list[int], curve: tuple[float, ...]
) -> None:
    """On scores that rise, it is in the band or the lowest that reaches; none is tried twice."""
    scores, tried = sorted(raw), []
    low, high = sorted(edges)

    def score_of(quality: int) -> float:
        tried.append(quality)
        return scores[quality]

    found = lowest_reaching(score_of, Aim(target=target, low=low, high=high), Hints(curve=curve))
    assert len(tried) == len(set(tried)) == found.encodes
    assert low <= min(tried) <= max(tried) <= high
    if found.quality is None:
        assert scores[high] < target
        assert found.score == scores[high]
        return
    assert found.score == scores[found.quality] >= target
    is_lowest = found.quality == low or scores[found.quality - 1] < target
    assert is_lowest or found.score <= target + BAND


@given(
    st.lists(st.floats(min_value=-900, max_value=100), min_size=101, max_size=101),
    st.floats(min_value=1, max_value=100),
    st.sampled_from(CURVES),
)
def test_scores_that_do_not_rise_do_no_harm(
    scores: list[float], target: float, curve: tuple[float, ...]
) -> None:
    """Whatever the scores and the sample's, the search ends, and what it gives reaches."""
    sample = scores[::-1].__getitem__
    found = lowest_reaching(
        scores.__getitem__,
        Aim(target=target, low=10, high=100),
        Hints(curve=curve, sample=sample),
    )
    assert found.encodes <= 14
    assert found.quality is None or scores[found.quality] >= target


@pytest.mark.parametrize("name", CURVED)
def test_an_image_that_loses_nothing_takes_the_lowest_quality(name: str) -> None:
    """Where every quality scores 100, and the sample too, the search goes down and ends."""
    found = lowest_reaching(
        lambda _: 100.0,
        Aim(target=70, low=10, high=100),
        Hints(curve=codec(name).score_curve, sample=lambda _: 100.0),
    )
    assert (found.quality, found.score) == (10, 100.0)


@pytest.mark.parametrize("name", CURVED)
@pytest.mark.parametrize("target", [50, 70, 80])
def test_images_off_the_curve_take_few_encodes(name: str, target: float) -> None:
    """Where an image strays from the curve as photos do, three encodes are enough in the mean."""
    curve = codec(name).score_curve
    taken = []
    for seed in range(100):
        rng = random.Random(seed)
        moved, bend = rng.uniform(-0.25, 0.25), rng.uniform(-0.05, 0.05)
        scores = [
            100 - (100 - expected_score(curve, q)) * math.exp(moved + bend * math.sin(q / 15))
            for q in range(101)
        ]
        found = lowest_reaching(
            scores.__getitem__, Aim(target=target, low=10, high=100), Hints(curve=curve)
        )
        taken.append(found.encodes)
    assert statistics.mean(taken) <= 3.0


def test_a_sample_that_errs_more_than_a_step_is_asked_less_often() -> None:
    """Where a sample's score strays from one quality to the next, few take fewer encodes."""
    curve = codec("webp").score_curve
    encodes: dict[int, list[int]] = {0: [], 12: []}
    for seed in range(100):
        rng = random.Random(seed)
        moved = rng.uniform(-0.25, 0.25)
        scores = [100 - (100 - expected_score(curve, q)) * math.exp(moved) for q in range(101)]
        told = [score + rng.uniform(-2, 2) for score in scores]
        for reach, taken in encodes.items():
            hints = Hints(curve=curve, sample=told.__getitem__, reach=reach)
            found = lowest_reaching(scores.__getitem__, Aim(target=50, low=10, high=100), hints)
            assert not reach or found.samples <= 6
            taken.append(found.encodes)
    assert statistics.mean(encodes[12]) < statistics.mean(encodes[0])


def test_a_level_that_is_known_takes_one_encode() -> None:
    """How far an image lies from its sample in one way of encoding tells of another way."""
    curve = codec("webp").score_curve
    told = [expected_score(curve, quality) for quality in range(101)]
    scores = [100 - (100 - score) * 1.5 for score in told]
    hints = Hints(curve=curve, sample=told.__getitem__, flattery=0.002)
    aim = Aim(target=50, low=10, high=100)
    level = level_of(scores[75], 75, hints)
    other = Hints(curve=curve, sample=told.__getitem__, flattery=0.002, level=level)
    assert lowest_reaching(scores.__getitem__, aim, hints).encodes > 1
    assert lowest_reaching(scores.__getitem__, aim, other).encodes == 1


@pytest.mark.parametrize("name", CURVED)
def test_curves_rise_and_full_chroma_is_nearer(name: str) -> None:
    """Both curves have every point, rise, and full chroma scores no lower at any quality."""
    spec = codec(name)
    assert len(spec.score_curve) == len(spec.full_score_curve) == len(CURVE_QUALITIES)
    for curve in (spec.score_curve, spec.full_score_curve):
        assert all(low <= high for low, high in itertools.pairwise(curve))
    pairs = zip(spec.score_curve, spec.full_score_curve, strict=True)
    assert all(halved <= full for halved, full in pairs)

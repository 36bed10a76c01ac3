"""The parts, timed by pytest-benchmark; figures to look at, held to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pixmill.header import Header
from pixmill.planning import Limits, planned
from pixmill.recipe import Operation, Recipe
from pixmill.registry import codec, recognised
from pixmill.strategies.search import highest_fitting
from pixmill.units import Geometry
from test_ratios import dispatch_all

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

SAMPLE = Path(__file__).parents[1] / "tests" / "sample"


def test_dispatching(benchmark: BenchmarkFixture) -> None:
    """Drive a thousand small jobs through the dispatcher with sixteen idle workers."""
    benchmark(dispatch_all, 1_000, 16)


def test_recognising(benchmark: BenchmarkFixture) -> None:
    """Tell the format of every file of the sample from its first 4096 bytes."""
    heads = [path.read_bytes()[:4096] for path in SAMPLE.rglob("*.*")]
    found = benchmark(lambda: [recognised(head) for head in heads])
    assert "jpg" in found


def test_planning(benchmark: BenchmarkFixture) -> None:
    """Plan a photograph of 12 megapixels to 1920 px."""
    header = Header(codec="jpg", width_px=4000, height_px=3000, file_bytes=5_000_000)
    sized = frozenset({Operation.RESIZE, Operation.COMPRESS})
    recipe = Recipe(operations=sized, resize=Geometry(1920, 1920))
    benchmark(planned, header, recipe, Limits(1 << 30))


def test_searching(benchmark: BenchmarkFixture) -> None:
    """Find the highest quality that fits, encodes costing nothing."""
    found = benchmark(
        highest_fitting,
        lambda quality: 1_000 * quality,
        40_500,
        low=1,
        high=100,
        curve=codec("jpg").size_curve,
    )
    assert found.quality == 40

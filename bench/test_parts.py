"""The parts, their CPU time by pytest-benchmark; figures to look at, held to nothing."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pyvips

from done import write_done
from pixmill.codecs.spec import Encoding, Library
from pixmill.header import Header
from pixmill.imaging.encode import encoded
from pixmill.imaging.load import reopened
from pixmill.imaging.probe import probe
from pixmill.journal.place import place_of
from pixmill.journal.store import opened_to_read
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.registry import codec, codecs, recognised
from pixmill.settings import Settings
from pixmill.strategies.search import Bracket, Clues, highest_fitting
from pixmill.units import Geometry
from pixmill.vocabulary import Effort, Operation
from pixmill.walking import Walker
from test_ratios import dispatch_all

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

SAMPLE = Path(__file__).parents[1] / "tests" / "sample"
PHOTO = SAMPLE / "travel" / "lake.jpg"
FILES = 2_000
# CPU of all threads; a few rounds are enough to look at, and none of a second
pytestmark = pytest.mark.benchmark(timer=time.process_time, min_rounds=3, max_time=0.3)
WRITTEN = [spec.name for spec in codecs() if spec.writer is Library.VIPS]


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folders of sources and results of an archive that is done, with its journal."""
    return write_done(tmp_path_factory.mktemp("done"), FILES, Recipe())


@pytest.fixture(scope="module")
def pixels() -> pyvips.Image:
    """Return a photograph's pixels."""
    return pyvips.Image.new_from_file(str(PHOTO)).copy_memory()


@pytest.mark.parametrize("workers", [2, 16, 256])
def test_dispatching(benchmark: BenchmarkFixture, workers: int) -> None:
    """Drive a thousand small jobs through the dispatcher with so many idle workers."""
    benchmark(dispatch_all, 1_000, workers)


def test_walking(benchmark: BenchmarkFixture, done: tuple[Path, Path]) -> None:
    """Walk 2,000 files in folders of a hundred."""
    walker = Walker(str(done[0]), Settings())
    met = benchmark(
        lambda: sum(len(group) for folder in walker.folders() for group in folder.groups)
    )
    assert met == FILES


def test_looking_up(benchmark: BenchmarkFixture, done: tuple[Path, Path]) -> None:
    """Ask the journal for 2,000 files."""
    journal = opened_to_read(place_of(str(done[1])).journal)
    assert journal is not None
    paths = [str(path.relative_to(done[0])) for path in done[0].rglob("*.png")]
    assert len(benchmark(journal.records_of, paths)) == FILES


def test_probing(benchmark: BenchmarkFixture) -> None:
    """Read the header of a photograph."""
    assert benchmark(probe, str(PHOTO), "jpg").width_px > 0


@pytest.mark.parametrize("name", WRITTEN)
def test_encoding(benchmark: BenchmarkFixture, pixels: pyvips.Image, name: str) -> None:
    """Encode a photograph at the fast effort, lossy where the format can."""
    assert benchmark(encoded, pixels, fast(name))


@pytest.mark.parametrize("name", WRITTEN)
def test_decoding(benchmark: BenchmarkFixture, pixels: pyvips.Image, name: str) -> None:
    """Decode what was encoded."""
    content = encoded(pixels, fast(name))
    assert benchmark(reopened, content, name).width == pixels.width


def fast(name: str) -> Encoding:
    """Return an encoding."""
    quality = 80 if codec(name).supports_lossy else None
    return Encoding(codec=name, quality=quality, effort=Effort.FAST)


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
        Bracket(target_bytes=40_500, low=1, high=100),
        Clues(curve=codec("jpg").size_curve),
    )
    assert found.quality == 40

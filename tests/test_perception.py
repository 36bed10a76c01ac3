"""The score is SSIMULACRA2's, the same from either kernel, and no size or length breaks it."""

from __future__ import annotations

import ctypes
import gc
import tracemalloc
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import pyvips
import ssimulacra2.ssimulacra2 as oracle
from scipy import ndimage

import pixmill
from pixmill.perception import native
from pixmill.perception.arrays import ArrayKernel
from pixmill.perception.kernels import Kernel, Side, kernel
from pixmill.perception.metric import Comparison, Raster, Reference, cost_bytes, score
from pixmill.perception.mosaic import TILE_PX, is_worth_it, mosaic, tiles

if TYPE_CHECKING:
    from numpy.typing import NDArray

TRAVEL = Path(__file__).parent / "sample" / "travel"
PHOTOS = ["colosseum.jpg", "lake.jpg", "osprey.jpg"]
QUALITIES = [20, 50, 75, 95]
COMPILED = native.loaded()
needs_compiled = pytest.mark.skipif(COMPILED is None, reason="needs the compiled kernel")
KERNELS = [ArrayKernel(), *([COMPILED] if COMPILED else [])]
SIZES = [(1, 1), (1, 6500), (6500, 1), (7, 7), (8, 8), (9, 300), (225, 225), (231, 226)]
TAPS = np.array([0.009414367810, 0.036011114658, 0.109335372777, 0.212928592010, 0.264621105488])

each_kernel = pytest.mark.parametrize("using", KERNELS, ids=lambda using: using.name)


@cache
def photo(name: str, width_px: int = 480) -> pyvips.Image:
    """Return a photograph of the sample, made small, in memory."""
    return pyvips.Image.thumbnail(str(TRAVEL / name), width_px).copy_memory()


def recoded(image: pyvips.Image, quality: int) -> pyvips.Image:
    """Return what is left of an image after JPEG."""
    return pyvips.Image.new_from_buffer(image.jpegsave_buffer(Q=quality), "").copy_memory()


def raster(image: pyvips.Image) -> Raster:
    """Return an image's pixels."""
    return Raster(bytes(image.write_to_memory()), image.width, image.height)


def noise(width_px: int, height_px: int, seed: int) -> Raster:
    """Return pixels that have nothing in common with those of another seed."""
    pixels = np.random.default_rng(seed).bytes(width_px * height_px * 3)
    return Raster(pixels, width_px, height_px)


def oracles_score(folder: Path, reference: pyvips.Image, candidate: pyvips.Image) -> float:
    """Return what the independent implementation makes of two images."""
    paths = [str(folder / "reference.png"), str(folder / "candidate.png")]
    for image, path in zip((reference, candidate), paths, strict=True):
        image.pngsave(path)
    return float(oracle.compute_ssimulacra2(*paths))


def blurred_with_zeros(image: NDArray[np.float64], sigma: float = 1.5) -> NDArray[np.float64]:
    """Blur as libjxl does: the oracle mirrors rows at their ends, and uses a true Gaussian."""
    assert sigma == 1.5
    taps = np.concatenate([TAPS, TAPS[-2::-1]])
    along = ndimage.correlate1d(image, taps, axis=1, mode="constant")
    return np.asarray(ndimage.correlate1d(along, taps, axis=0, mode="constant"))


@pytest.mark.parametrize("name", PHOTOS)
def test_it_is_ssimulacra2(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In float64, unpruned and with libjxl's blur, the independent implementation says the same."""
    monkeypatch.setattr(oracle, "blur_image", blurred_with_zeros)
    original = photo(name)
    reference = Reference(raster(original))
    for quality in QUALITIES:
        result = recoded(original, quality)
        expected = oracles_score(tmp_path, original, result)
        assert reference.score(raster(result)) == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("name", PHOTOS)
def test_it_is_near_the_package_as_it_is(name: str, tmp_path: Path) -> None:
    """Where rows are mirrored at their ends, high scores differ by less than a point."""
    original = photo(name)
    for quality in (85, 95):
        result = recoded(original, quality)
        expected = oracles_score(tmp_path, original, result)
        assert score(raster(original), raster(result)) == pytest.approx(expected, abs=0.8)


@each_kernel
def test_an_image_is_100_against_itself(using: Kernel) -> None:
    """Equal images get 100, exactly."""
    for name in PHOTOS:
        pixels = raster(photo(name))
        assert Reference(pixels, using=using).score(pixels) == 100
        assert score(pixels, pixels, using=using) == 100


@pytest.mark.parametrize("name", PHOTOS)
def test_a_higher_quality_scores_higher(name: str) -> None:
    """On a photograph the score rises with the quality of JPEG."""
    original = photo(name)
    reference = Reference(raster(original))
    scores = [reference.score(raster(recoded(original, quality))) for quality in QUALITIES]
    assert scores == sorted(scores)
    assert scores[0] < 50
    assert 90 < scores[-1] < 100


@needs_compiled
@pytest.mark.parametrize("size", [(480, 270), (333, 241), (100, 61), (9, 260), (300, 3), (5, 5)])
def test_both_kernels_give_the_same_answer(size: tuple[int, int]) -> None:
    """The compiled kernel and numpy's are within a fiftieth of a point."""
    original = photo("lake.jpg").crop(0, 0, *size)
    for quality in QUALITIES:
        pair = (raster(original), raster(recoded(original, quality)))
        assert COMPILED
        assert score(*pair, using=COMPILED) == pytest.approx(
            score(*pair, using=ArrayKernel()), abs=0.02
        )


@each_kernel
def test_rows_may_come_in_any_portions(using: Kernel) -> None:
    """One pass with rows in odd portions, or against what is cached, scores as all rows at once."""
    width_px, height_px = 301, 263
    first, second = noise(width_px, height_px, 1), noise(width_px, height_px, 2)
    whole = score(first, second, using=using)
    assert Reference(first, using=using).score(second) == pytest.approx(whole, abs=1e-5)
    comparison = Comparison(width_px, height_px, using=using)
    row_bytes, top, step = 3 * width_px, 0, 0
    while top < height_px:
        step += 1
        cut = slice(top * row_bytes, (top + step) * row_bytes)
        comparison.feed(memoryview(first.pixels)[cut], memoryview(second.pixels)[cut])
        top += step
    assert comparison.score() == pytest.approx(whole, abs=1e-5)


@each_kernel
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_any_size_is_scored(size: tuple[int, int], using: Kernel) -> None:
    """However small or narrow: 100 against itself, and noise is far from other noise."""
    first, second = noise(*size, 1), noise(*size, 2)
    assert score(first, first, using=using) == 100
    assert score(first, second, using=using) < 60


@needs_compiled
def test_the_longest_line_is_scored() -> None:
    """An image of 1 x 65,000 px is no special case."""
    first = noise(1, 65000, 1)
    assert score(first, first) == 100
    assert score(first, noise(1, 65000, 2)) < 60


def test_a_small_crop_scores_like_the_whole() -> None:
    """Crops of a photograph, down to 64 px, score within 8 points of it on average."""
    original = photo("osprey.jpg")
    result = recoded(original, 75)
    whole = score(raster(original), raster(result))
    places = [(x, y) for x in range(0, 384, 64) for y in range(0, original.height - 64, 64)]
    crops = [
        score(raster(original.crop(x, y, 64, 64)), raster(result.crop(x, y, 64, 64)))
        for x, y in places
    ]
    assert sum(crops) / len(crops) == pytest.approx(whole, abs=8)


@each_kernel
@pytest.mark.parametrize("levels", [(0, 255), (255, 0), (120, 130), (0, 1)])
def test_flat_images_are_scored(levels: tuple[int, int], using: Kernel) -> None:
    """One colour against another is a number below 100."""
    first, second = (Raster(bytes([level]) * 3 * 300 * 240, 300, 240) for level in levels)
    assert -1000 < score(first, second, using=using) < 100


@each_kernel
def test_lengths_that_lie_are_refused(using: Kernel) -> None:
    """Too few bytes, too many rows or rows after the end reach no memory and raise."""
    rows = bytes(3 * 240 * 10)
    with pytest.raises(ValueError, match="expected 172800 bytes"):
        Raster(rows, 240, 240)
    measurement = using.measurement(240, 240, Side.REFERENCE | Side.CANDIDATE)
    for count, first, second in (
        (11, rows, rows),
        (9, rows, rows),
        (10, rows, rows[1:]),
        (10, rows, None),
        (241, bytes(3 * 240 * 241), bytes(3 * 240 * 241)),
    ):
        with pytest.raises(ValueError, match="rows that are left"):
            measurement.feed(count, first, second)
    with pytest.raises(ValueError, match="fewer"):
        measurement.finish()
    measurement.feed(240, rows * 24, rows * 24)
    assert not any(measurement.finish())
    with pytest.raises(ValueError, match="rows that are left"):
        measurement.feed(1, rows[:720], rows[:720])
    with pytest.raises(ValueError, match="fewer"):
        measurement.finish()


def test_a_candidate_of_another_size_is_refused() -> None:
    """Scores compare images of one size, and say so."""
    with pytest.raises(ValueError, match="expected 300x240 px, got 240x300"):
        Reference(noise(300, 240, 1)).score(noise(240, 300, 1))


@needs_compiled
def test_the_compiled_kernel_refuses_impossible_sizes() -> None:
    """No size, mode or cache of the wrong length makes it measure."""
    assert COMPILED
    for size in ((0, 300), (300, -1), (1 << 40, 300), (1 << 62, 1 << 62)):
        assert COMPILED.cache_bytes(*size) == 0
        with pytest.raises(MemoryError):
            COMPILED.measurement(*size, Side.REFERENCE | Side.CANDIDATE)
    with pytest.raises(MemoryError):
        COMPILED.measurement(300, 300, Side(0))
    for known in (None, (ctypes.c_float * 10)()):
        with pytest.raises(MemoryError):
            COMPILED.measurement(300, 300, Side.REFERENCE, known)


def test_memory_is_as_the_cost_says() -> None:
    """A comparison holds rows, not images, and a cached reference 20 bytes a pixel."""
    width_px, height_px = 4000, 3000
    pixels = width_px * height_px
    using = kernel()
    assert cost_bytes(width_px, height_px, is_cached=False, using=using) < 64 << 20
    cached = cost_bytes(width_px, height_px, is_cached=True, using=using)
    assert 20 < cached / pixels < 26


@pytest.mark.parametrize("size", [(300, 300), (1200, 900), (30000, 225)], ids=str)
@pytest.mark.parametrize("is_cached", [True, False])
def test_numpy_holds_no_more_than_its_cost(size: tuple[int, int], *, is_cached: bool) -> None:
    """The fallback's own count of bytes is an upper bound, and at most three times too much."""
    first, using = noise(*size, 1), ArrayKernel()
    tracemalloc.start()
    try:
        reference = Reference(first, using=using) if is_cached else None
        shown = reference.score(first) if reference else score(first, first, using=using)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert shown == 100
    cost = cost_bytes(*size, is_cached=is_cached, using=using)
    assert cost / 3 < peak_bytes <= cost


@needs_compiled
def test_nothing_of_a_measurement_stays() -> None:
    """Measurements that end, and those that are dropped halfway, give their memory back."""
    assert COMPILED
    first = noise(3000, 225, 1)

    def resident_bytes() -> int:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

    score(first, first, using=COMPILED)
    before = resident_bytes()
    for _ in range(40):
        score(first, first, using=COMPILED)
        COMPILED.measurement(3000, 3000, Side.REFERENCE | Side.CANDIDATE)
    grown = resident_bytes() - before
    assert grown < 10 * COMPILED.state_bytes(3000, 225)


@pytest.mark.parametrize("size", [(1024, 1024), (1025, 1999), (2000, 1500), (8000, 1024)], ids=str)
def test_tiles_are_spread_over_the_image(size: tuple[int, int]) -> None:
    """64 different tiles lie in the image, each in its cell or nearly, on borders of 16 px."""
    found = tiles(*size)
    assert len(set(found)) == 64
    for at, tile in enumerate(found):
        for edge_px, start_px, cell in (
            (size[0], tile.left_px, at % 8),
            (size[1], tile.top_px, at // 8),
        ):
            assert start_px % 16 == 0
            assert 0 <= start_px <= edge_px - TILE_PX
            assert edge_px * cell // 8 - 16 < start_px <= edge_px * (cell + 1) // 8 - TILE_PX


def test_a_mosaic_is_made_of_the_tiles() -> None:
    """Each tile stands in its place, and a mosaic of an image of 1024 px is the image."""
    width_px, height_px = 1400, 1100
    large = noise(width_px, height_px, 1)
    pixels = np.frombuffer(memoryview(large.pixels), np.uint8).reshape(height_px, width_px, 3)
    made = mosaic(large)
    shown = np.frombuffer(memoryview(made.pixels), np.uint8).reshape(1024, 1024, 3)
    for at, tile in enumerate(tiles(width_px, height_px)):
        top, left = at // 8 * TILE_PX, at % 8 * TILE_PX
        expected = pixels[tile.top_px :, tile.left_px :][:TILE_PX, :TILE_PX]
        assert (shown[top : top + TILE_PX, left : left + TILE_PX] == expected).all()
    square = noise(1024, 1024, 2)
    assert mosaic(square).pixels == square.pixels


def test_a_mosaic_is_for_large_images_alone() -> None:
    """What it would hardly make smaller, or has no room for the tiles, is scored whole."""
    assert is_worth_it(2000, 1500)
    assert not is_worth_it(1600, 1200)
    assert not is_worth_it(65000, 1000)
    with pytest.raises(ValueError, match="expected 1024 px or more"):
        tiles(65000, 1000)


@pytest.mark.parametrize("name", PHOTOS)
def test_a_mosaic_scores_near_the_whole(name: str) -> None:
    """On a photograph a mosaic is at most 3 points above the whole, and less where it is good."""
    original = pyvips.Image.thumbnail(str(TRAVEL / name), 2000, size="both").copy_memory()
    if min(original.width, original.height) < 1024:
        original = original.resize(1024 / min(original.width, original.height)).copy_memory()
    whole, tiled = Reference(raster(original)), Reference(mosaic(raster(original)))
    for quality, within in ((50, 3.0), (80, 1.5), (90, 1.0)):
        result = raster(recoded(original, quality))
        assert tiled.score(mosaic(result)) == pytest.approx(whole.score(result), abs=within)


@needs_compiled
def test_a_confined_worker_scores(tmp_path: Path) -> None:
    """The sandbox leaves the compiled kernel readable, and no call it makes is forbidden."""
    settings = pixmill.Settings(parallel=1)
    with pixmill.optimize(
        TRAVEL, tmp_path / "out", settings=settings, mill="faults.scoring:mill"
    ) as run:
        outcomes = list(run)
    assert len(outcomes) == 4
    assert not [outcome.failure for outcome in outcomes if outcome.failure]

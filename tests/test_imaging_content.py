"""Promises of `imaging.content` and `imaging.compare`, on the half of the corpora not tuned on."""

from __future__ import annotations

import math
import zlib

import pytest
import pyvips

from corpora import corpus_files, needs_corpora
from pixmill.content import ContentClass, Sample, classify
from pixmill.imaging.compare import is_identical, psnr
from pixmill.imaging.content import sampled
from pixmill.imaging.errors import ImagingError


def _share_of_photographs(folder: str) -> float:
    odd = [path for path in corpus_files(folder) if zlib.crc32(path.name.encode()) % 2]
    images = [pyvips.Image.new_from_file(str(path)).copy_memory() for path in odd]
    found = [classify(sampled(image)) for image in images]
    return found.count(ContentClass.PHOTOGRAPH) / len(found)


@needs_corpora
@pytest.mark.parametrize("folder", ["photos", "kodak"])
def test_photographs_are_recognised(folder: str) -> None:
    """Of photographs not tuned on, 19 in 20 are called so (33 of 34 measured)."""
    assert _share_of_photographs(folder) >= 0.95


@needs_corpora
def test_graphics_are_recognised() -> None:
    """Of screenshots and diagrams not tuned on, at most 1 in 12 passes for a photograph."""
    assert _share_of_photographs("graphics") <= 1 / 12


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (257, 256)])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_any_shape_has_statistics(size: tuple[int, int], bands: int) -> None:
    """Thin, tiny, grey and transparent images have statistics of at most 65,536 pixels."""
    image = pyvips.Image.black(*size, bands=bands)
    image = image.copy(interpretation="b-w" if bands < 3 else "srgb")
    sample = sampled(image)
    assert 1 <= len(sample.pixels) <= 65_536
    assert sample.has_more_colours(0)
    assert not sample.has_more_colours(1)
    assert sample.flat == 1.0
    assert (sample.edges, sample.saturation, sample.common) == (0.0, 0.0, 1.0)


def test_an_empty_sample_is_a_photograph() -> None:
    """Where nothing is known the safe class is answered."""
    assert classify(Sample([], 1)) is ContentClass.PHOTOGRAPH


def test_statistics_are_of_neighbours_within_a_row() -> None:
    """Two rows of three pixels have four pairs: the end of a row is no neighbour of the next."""
    red, dark_red, white = 0x0000FF, 0x000040, 0xFFFFFF
    sample = Sample([red, red, dark_red, dark_red, white, white], 3)
    assert sample.has_more_colours(2)
    assert not sample.has_more_colours(3)
    assert sample.flat == 2 / 4
    assert sample.edges == 2 / 4
    assert sample.saturation == pytest.approx((2 * 255 + 2 * 64) / (6 * 255))


def test_colours_count_wherever_they_lie() -> None:
    """A sample is looked at to its end before it is said to have few colours."""
    sample = Sample([*[0] * 10_000, *range(10)], 10)
    assert sample.has_more_colours(9)
    assert not sample.has_more_colours(10)


def test_psnr_is_what_its_formula_says() -> None:
    """One step in every band is 48.13 dB; equal images are infinitely near."""
    grey = (pyvips.Image.black(16, 16, bands=3) + 100).cast("uchar").copy(interpretation="srgb")
    near = (grey + 1).cast("uchar").copy(interpretation="srgb")
    assert psnr(grey, near) == pytest.approx(20 * math.log10(255), abs=0.01)
    assert psnr(grey, grey) == math.inf
    assert is_identical(grey, grey.addalpha())
    assert not is_identical(grey, near)


def test_hidden_colours_do_not_count() -> None:
    """What lies under full transparency is no difference."""
    clear = pyvips.Image.black(8, 8, bands=4).copy(interpretation="srgb")
    hidden = pyvips.Image.black(8, 8) + [200, 100, 50, 0]  # noqa: RUF005 - libvips adds bands
    other = hidden.cast("uchar").copy(interpretation="srgb")
    assert is_identical(clear, other)


def test_images_of_two_sizes_are_refused() -> None:
    """A comparison of different sizes is an error, not a number."""
    with pytest.raises(ImagingError):
        psnr(pyvips.Image.black(8, 8), pyvips.Image.black(8, 9))

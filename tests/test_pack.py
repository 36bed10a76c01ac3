"""A PNG is packed by oxipng without the change of a pixel, wherever there is memory for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import oxipng
import pytest
import pyvips

import pixmill
from corpora import corpus_files, needs_corpora
from pixmill.codecs.spec import Packing, RowFilter
from pixmill.header import Header
from pixmill.imaging.pack import packed
from pixmill.plan import Plan
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.registry import codec
from pixmill.vocabulary import Colour, Effort

SAMPLE = Path(__file__).parent / "sample"
DRAWINGS = corpus_files("graphics", "*.png")[::9]
PLENTY = Limits(10**12)
EVERY = [
    (Packing(2, (RowFilter.NONE, RowFilter.BIGRAMS), 10),),
    (Packing(2, (RowFilter.NONE, RowFilter.LEAST_SUM), 10, is_estimated=False),),
    (Packing(1, (RowFilter.LEAST_SUM,), 10, is_estimated=False),),
    (Packing(1),),
    (Packing(2),),
    (Packing(2), Packing(4)),
]


def _picture(kind: str) -> pyvips.Image:
    x = pyvips.Image.xyz(90, 70)[0]
    ramp = (x * 2).cast("uchar")
    noise = pyvips.Image.gaussnoise(90, 70, seed=4, mean=100, sigma=9).cast("uchar")
    match kind:
        case "grey":
            return ramp.copy(interpretation="b-w")
        case "deep":
            deep = (noise.cast("ushort") * 257 + x).cast("ushort")
            return deep.bandjoin([deep, deep]).copy(interpretation="rgb16")
        case "alpha":
            colours = ramp.bandjoin([noise, ramp]).copy(interpretation="srgb")
            return colours.bandjoin((x > 40).ifthenelse(ramp, 0).cast("uchar"))
        case _:
            return ramp.bandjoin([ramp, noise]).copy(interpretation="srgb")


def _difference(first: bytes, second: bytes) -> float:
    images = [pyvips.Image.new_from_buffer(each, "") for each in (first, second)]
    deep = any(image.format == "ushort" for image in images)
    space = "rgb16" if deep else "srgb"
    alike = [image.colourspace(space) for image in images]
    alike = [image if image.hasalpha() else image.addalpha() for image in alike]
    return float((alike[0] - alike[1]).abs().max())


@pytest.mark.parametrize("packings", EVERY, ids=str)
@pytest.mark.parametrize("kind", ["grey", "deep", "alpha", "colour"])
def test_packing_changes_no_pixel(kind: str, packings: tuple[Packing, ...]) -> None:
    """What is packed shows the same, hidden colours included, in no more bytes."""
    plain = _picture(kind).pngsave_buffer(compression=6)
    made = packed(plain, packings)
    assert len(made) < len(plain)
    assert _difference(plain, made) == 0


def test_packing_keeps_metadata() -> None:
    """A profile and texts that were to stay do stay."""
    image = _picture("colour").icc_transform("p3", input_profile="srgb")
    made = packed(image.pngsave_buffer(keep="icc"), (Packing(2),))
    assert pyvips.Image.new_from_buffer(made, "").get_typeof("icc-profile-data")


def test_what_cannot_be_packed_stays() -> None:
    """Bytes that the packer does not read come back as they are."""
    assert packed(b"no png at all", (Packing(1), Packing(2))) == b"no png at all"


def test_packing_takes_memory_that_is_counted() -> None:
    """A still is packed where a lease holds its pixels nine times, and made without elsewhere."""
    still = Header(codec="png", width_px=1000, height_px=1000, is_lossless=True)
    recipe = Recipe(lossless=True)
    whole = planned(still, recipe, PLENTY)
    assert isinstance(whole, Plan)
    assert whole.is_packed
    assert whole.cost_bytes >= 9 * 3_000_000
    short = planned(still, recipe, Limits(whole.cost_bytes - 1))
    assert isinstance(short, Plan)
    assert (short.is_packed, short.is_pinned) == (False, True)
    moving = planned(replace(still, pages=5, is_animated=True), Recipe(), PLENTY)
    assert isinstance(moving, Plan)
    assert not moving.is_packed


def test_matching_colours_takes_memory_that_is_counted() -> None:
    """Many colours are matched to a palette where a lease holds their count; else they all stay."""
    still = Header(codec="png", width_px=1000, height_px=1000, is_lossless=True)
    whole = planned(still, Recipe(), PLENTY)
    assert isinstance(whole, Plan)
    assert whole.has_palettes
    assert whole.cost_bytes > 42_000_000
    short = planned(still, Recipe(), Limits(whole.cost_bytes - 1))
    assert isinstance(short, Plan)
    assert (short.has_palettes, short.is_packed, short.is_pinned) == (False, True, True)


def test_what_would_take_too_long_is_not_packed() -> None:
    """Beyond forty megapixels, and in other formats, there are no levels."""
    packings = codec("png").packings
    assert packings is not None
    for effort in Effort:
        assert packings(effort, 40_000_000, 10**6)
        assert not packings(effort, 40_000_001, 10**6)
    assert codec("webp").packings is None


def test_little_effort_tries_a_photograph_with_filters_alone() -> None:
    """Rows that are stored as they are win where areas are flat, so that they are tried there."""
    packings = codec("png").packings
    assert packings is not None
    for pixels in (1000, 100_000):
        less, more = pixels - 1, pixels + 1
        (flat,), (dense,) = packings(Effort.FAST, pixels, less), packings(Effort.FAST, pixels, more)
        assert RowFilter.NONE in flat.filters
        assert RowFilter.NONE not in dense.filters
        assert packings(Effort.BALANCED, pixels, less) == packings(Effort.BALANCED, pixels, more)


def test_little_effort_spares_small_images_a_filter_of_fixed_cost() -> None:
    """What is cleared for each row, however short, is not what a thumbnail pays for."""
    packings = codec("png").packings
    assert packings is not None
    for size_bytes in (3000, 5000):
        (small,) = packings(Effort.FAST, 64 * 64, size_bytes)
        (large,) = packings(Effort.FAST, 640 * 640, 100 * size_bytes)
        assert RowFilter.LEAST_SUM in small.filters
        assert RowFilter.BIGRAMS not in small.filters
        assert small != large


@needs_corpora
@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.name)
def test_lossless_png_is_not_behind_oxipng(path: Path) -> None:
    """A drawing takes what oxipng makes of it at its default level, to a hundredth."""
    content = path.read_bytes()
    peer = oxipng.optimize_from_memory(content, strip=oxipng.StripChunks.keep([b"iCCP"]))
    made = pixmill.optimize_bytes(content, Recipe(lossless=True, colour=Colour.KEEP))
    assert len(made) <= len(peer) * 1.01
    assert _difference(content, made) == 0

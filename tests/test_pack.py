"""A PNG is packed by oxipng without the change of a pixel, wherever there is memory for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import oxipng
import pytest
import pyvips

import pixmill
from corpora import corpus_files, needs_corpora
from pixmill.header import Header
from pixmill.imaging.pack import packed
from pixmill.plan import Plan
from pixmill.planning import Limits, planned
from pixmill.recipe import Colour, Effort, Recipe
from pixmill.registry import codec

SAMPLE = Path(__file__).parent / "sample"
DRAWINGS = corpus_files("graphics", "*.png")[::9]
PLENTY = Limits(10**12)


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


@pytest.mark.parametrize("levels", [(1,), (2,), (2, 4)])
@pytest.mark.parametrize("kind", ["grey", "deep", "alpha", "colour"])
def test_packing_changes_no_pixel(kind: str, levels: tuple[int, ...]) -> None:
    """What is packed shows the same, hidden colours included, in no more bytes."""
    plain = _picture(kind).pngsave_buffer(compression=6)
    made = packed(plain, levels)
    assert len(made) < len(plain)
    assert _difference(plain, made) == 0


def test_packing_keeps_metadata() -> None:
    """A profile and texts that were to stay do stay."""
    image = _picture("colour").icc_transform("p3", input_profile="srgb")
    made = packed(image.pngsave_buffer(keep="icc"), (2,))
    assert pyvips.Image.new_from_buffer(made, "").get_typeof("icc-profile-data")


def test_what_cannot_be_packed_stays() -> None:
    """Bytes that the packer does not read come back as they are."""
    assert packed(b"no png at all", (1, 2)) == b"no png at all"


def test_packing_takes_memory_that_is_counted() -> None:
    """A still is packed where a lease holds its pixels nine times, and made without elsewhere."""
    still = Header(codec="png", width_px=1000, height_px=1000, is_lossless=True)
    whole = planned(still, Recipe(), PLENTY)
    assert isinstance(whole, Plan)
    assert whole.is_packed
    assert whole.cost_bytes >= 9 * 3_000_000
    short = planned(still, Recipe(), Limits(whole.cost_bytes - 1))
    assert isinstance(short, Plan)
    assert (short.is_packed, short.is_pinned) == (False, True)
    moving = planned(replace(still, pages=5, is_animated=True), Recipe(), PLENTY)
    assert isinstance(moving, Plan)
    assert not moving.is_packed


def test_what_would_take_too_long_is_not_packed() -> None:
    """Beyond forty megapixels, and in other formats, there are no levels."""
    levels = codec("png").pack_levels
    assert levels is not None
    assert all(levels(effort, 40_000_000) and not levels(effort, 40_000_001) for effort in Effort)
    assert codec("webp").pack_levels is None


@needs_corpora
@pytest.mark.parametrize("path", DRAWINGS, ids=lambda path: path.name)
def test_lossless_png_is_not_behind_oxipng(path: Path) -> None:
    """A drawing takes what oxipng makes of it at its default level, to a hundredth."""
    content = path.read_bytes()
    peer = oxipng.optimize_from_memory(content, strip=oxipng.StripChunks.keep([b"iCCP"]))
    made = pixmill.optimize_bytes(content, Recipe(lossless=True, colour=Colour.KEEP))
    assert len(made) <= len(peer) * 1.01
    assert _difference(content, made) == 0

"""The chroma of drawings is chosen by what it costs and what it shows, not by their class alone."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from pixmill.chroma import has_choice, with_best_chroma
from pixmill.codecs.spec import Encoding
from pixmill.imaging.encode import encoded
from pixmill.imaging.load import reopened
from pixmill.imaging.score import likeness
from pixmill.milling import mill
from pixmill.perception.kernels import has_kernel
from pixmill.planning import Limits
from pixmill.product import Product
from pixmill.recipe import Recipe
from pixmill.registry import codec
from pixmill.vocabulary import Effort, Operation

STATUS = Path("/proc/self/status")
PEAK = """
import re, sys
from pathlib import Path
from pixmill.imaging.confine import prepare_process
from pixmill.milling import mill
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.vocabulary import Effort, Operation

def told(name):
    return int(re.search(rf"{name}:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

prepare_process()
asked, held = [], []

def lease(cost_bytes):
    asked.append(cost_bytes)
    Path("/proc/self/clear_refs").write_text("5")  # the high-water mark anew
    held.append(told("VmRSS"))

operations = frozenset({Operation.CONVERT, Operation.COMPRESS})
recipe = Recipe(operations=operations, target_format="jpg", effort=Effort.FAST, quality=80)
mill(sys.argv[1], "png", recipe, Limits(1 << 30), lease=lease)
print(told("VmHWM") - held[0], max(asked))
"""

pytestmark = pytest.mark.skipif(not has_kernel(), reason="nothing here can score")

JPEG = Encoding(codec="jpg", quality=80, effort=Effort.FAST, is_full_chroma=True)
RECIPE = Recipe(
    operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
    target_format="jpg",
    effort=Effort.FAST,
    quality=80,
)


def lines(ink: str, paper: str) -> Image.Image:
    """Return thin lines and boxes of one colour on another."""
    image = Image.new("RGB", (360, 260), paper)
    drawn = ImageDraw.Draw(image)
    for step in range(60):
        drawn.line((step * 6, 0, step * 6, 120), fill=ink)
        drawn.rectangle((step * 6, 130 + step * 2, step * 6 + 2, 132 + step * 2), fill=ink)
    return image


def tiled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image beside itself as often as a size holds."""
    whole = Image.new("RGB", size)
    for left in range(0, size[0], image.width):
        for top in range(0, size[1], image.height):
            whole.paste(image, (left, top))
    return whole


GREY = lines("#303030", "#f4f4f4")
GAUDY = lines("#ff0000", "#0000ff")
BRIGHT = lines("#b04048", "#4060a0")


def saved(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    """Return an image encoded by Pillow."""
    held = io.BytesIO()
    image.save(held, form, **options)
    return held.getvalue()


def chosen(image: Image.Image, encoding: Encoding = JPEG) -> Encoding:
    """Return what is chosen for an image."""
    return with_best_chroma(reopened(saved(image), "png"), encoding)


def is_subsampled(content: bytes, codec_name: str = "png") -> bool:
    """Return whether what becomes of a file as JPEG at quality 80 has its chroma halved."""
    made = mill(content, codec_name, RECIPE, Limits(1 << 30), lease=lambda _: None)
    assert isinstance(made, Product)
    assert isinstance(made.content, bytes)
    scan = codec("jpg").scan
    assert scan is not None
    return scan(io.BytesIO(made.content), len(made.content)).is_subsampled is True


def test_chroma_that_hardly_shows_is_halved() -> None:
    """A drawing in grey loses nothing by half of its chroma, and a gaudy one would be ruined."""
    assert chosen(GREY) == replace(JPEG, is_full_chroma=False, is_subsampled=True)
    assert chosen(GAUDY).is_full_chroma
    assert is_subsampled(saved(GREY))
    assert not is_subsampled(saved(GAUDY))


def test_halved_chroma_must_not_ruin_what_no_square_shows() -> None:
    """A gaudy strip that lies between the squares of the sample counts too."""
    image = tiled(GREY, (600, 400))
    image.paste(tiled(GAUDY, (32, 400)), (200, 0))
    best, shown = chosen(image), reopened(saved(image), "png")
    assert best.is_full_chroma
    assert likeness(shown, reopened(encoded(shown, best), "jpg")) >= 69.5


def test_whole_chroma_costs_no_looks() -> None:
    """Chosen at a lower quality, it still scores what halved chroma does, or 70 if that is more."""
    image = reopened(saved(GAUDY), "png")
    halved = replace(JPEG, is_full_chroma=False, is_subsampled=True)
    best = chosen(GAUDY)
    looks = [
        likeness(image, reopened(encoded(image, each), "jpg")) for each in (halved, best, JPEG)
    ]
    assert looks[1] >= min(max(looks[0], 70.0), looks[2]) - 1
    assert len(encoded(image, best)) <= len(encoded(image, JPEG))


def test_what_a_source_has_lost_is_not_stored_whole() -> None:
    """A drawing whose chroma is halved already stays so, and one that is whole is not inflated."""
    for subsampling in (0, 2):
        content = saved(GAUDY, "JPEG", quality=95, subsampling=subsampling)
        assert is_subsampled(content, "jpg") is (subsampling == 2)


def test_only_drawings_that_are_not_searched_have_the_choice() -> None:
    """Photographs, lossless forms, frames, own tables and codecs without it stay as they are."""
    assert has_choice(JPEG)
    assert not has_choice(replace(JPEG, is_full_chroma=False))
    assert not has_choice(replace(JPEG, quality=None))
    assert not has_choice(replace(JPEG, is_moving=True))
    assert not has_choice(replace(JPEG, tables=3))
    assert not has_choice(replace(JPEG, codec="webp"))


def test_large_drawings_are_proved_unless_haste_is_asked_for() -> None:
    """Whole chroma of 2.6 MP has the quality asked for at fast, else one that scores about 70."""
    image = tiled(BRIGHT, (1620, 1620))
    assert chosen(image) == JPEG
    best = chosen(image, replace(JPEG, effort=Effort.BALANCED))
    assert best.is_full_chroma
    assert best.quality is not None
    assert best.quality < 80
    pixels = reopened(saved(image), "png")
    assert 69 < likeness(pixels, reopened(encoded(pixels, best), "jpg")) < 75


@pytest.mark.skipif(not STATUS.exists(), reason="the kernel does not tell the peak")
def test_a_choice_holds_no_more_than_its_plan(tmp_path: Path) -> None:
    """While a large drawing is encoded as a whole, what is known of its sample is let go."""
    path = tmp_path / "drawing.png"
    tiled(GAUDY, (1620, 1500)).save(path)
    told = subprocess.run(
        [sys.executable, "-c", PEAK, str(path)], check=True, capture_output=True, text=True
    )
    grown_bytes, cost_bytes = map(int, told.stdout.split())
    assert 0 < grown_bytes < cost_bytes + 6_000_000  # a fresh process loads its codecs meanwhile


@pytest.mark.parametrize("size", [(8, 65_000), (65_000, 1), (1, 65_000)])
def test_what_is_too_narrow_to_score_is_not_judged(size: tuple[int, int]) -> None:
    """A strip is stored as it is asked for, within what its plan may hold."""
    strip = GREY.resize(size)
    assert chosen(strip) == JPEG
    assert not is_subsampled(saved(strip))


def test_grey_is_not_judged() -> None:
    """No encode is spent on what has no chroma: not even one that would fail, being too wide."""
    asked = replace(JPEG, effort=Effort.BALANCED)
    wide = GREY.convert("L").resize((66_000, 130))
    assert chosen(wide, asked) == asked

"""What `adaptive` promises of looks: palettes are judged, and what is good enough is left alone."""

from __future__ import annotations

import io
import random
from dataclasses import replace

import pytest
from PIL import Image, ImageChops, ImageDraw

from corpora import CORPORA, needs_corpora
from pixmill.codecs.spec import Encoding
from pixmill.header import Header
from pixmill.imaging.encode import encoded
from pixmill.imaging.judge import Judge
from pixmill.imaging.load import reopened
from pixmill.imaging.pack import packed
from pixmill.imaging.score import likeness
from pixmill.milling import mill
from pixmill.model import Status
from pixmill.planning import Limits
from pixmill.product import Product
from pixmill.recipe import Recipe
from pixmill.reducing import least_score
from pixmill.registry import codec
from pixmill.strategies.enough import is_good_enough
from pixmill.strategies.palettes import finer
from pixmill.units import parse_savings
from pixmill.vocabulary import Effort, IfLarger, Operation, StrategyName

FAST = Recipe(effort=Effort.FAST)
EDGE_PX = 300
CONVERTED = frozenset({Operation.CONVERT, Operation.COMPRESS})
CONVERTED_FAST = replace(FAST, operations=CONVERTED)


def saved(image: Image.Image) -> bytes:
    """Return an image as PNG."""
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def screenshot(patch: Image.Image) -> bytes:
    """Return bars with hard edges beside a patch, as PNG."""
    image = Image.new("RGB", (EDGE_PX + 100, EDGE_PX), "white")
    drawn = ImageDraw.Draw(image)
    for step in range(60):
        left_px = step * 3 % 200
        drawn.rectangle((left_px, step * 5, left_px + 60, step * 5 + 3), fill=(step * 4, 30, 90))
    image.paste(patch, (image.width - patch.width, 0))
    return saved(image)


def rainbow(width_px: int, saturation: int) -> Image.Image:
    """Return every hue in every brightness, with noise that no filter foresees."""
    size = (width_px, EDGE_PX)
    rng = random.Random(1)
    pixels = bytes(rng.randint(126, 130) for _ in range(width_px * EDGE_PX * 3))
    ramp = Image.linear_gradient("L")
    bands = (ramp.rotate(90).resize(size), Image.new("L", size, saturation), ramp.resize(size))
    noise = Image.frombytes("RGB", size, pixels)
    return ImageChops.add(Image.merge("HSV", bands).convert("RGB"), noise, offset=-128)


def speckles() -> Image.Image:
    """Return squares of 240 colours that hardly differ, beside dots in black and white."""
    rng = random.Random(3)
    shades = [tuple(128 + rng.randint(-4, 4) for _ in range(3)) for _ in range(240)]
    image = Image.new("RGB", (304, EDGE_PX))
    drawn = ImageDraw.Draw(image)
    for top in range(0, EDGE_PX, 10):
        for left in range(64, image.width, 10):
            drawn.rectangle((left, top, left + 9, top + 9), fill=rng.choice(shades))
    dots = Image.frombytes("1", (64, EDGE_PX), rng.randbytes(8 * EDGE_PX))
    image.paste(dots.convert("RGB"), (0, 0))
    return image


def milled(content: bytes, recipe: Recipe = FAST, codec_name: str = "png") -> Product:
    """Make an image."""
    made = mill(content, codec_name, recipe, Limits(1 << 30), lease=lambda _: None)
    assert isinstance(made, Product), made
    return made


def result(content: bytes) -> bytes:
    """Return what a PNG becomes; the same where it is kept."""
    made = milled(content).content
    assert made is None or isinstance(made, bytes)
    return made or content


@pytest.mark.parametrize("effort", [Effort.BALANCED, Effort.BEST])
def test_a_tiny_jpeg_is_not_progressive(effort: Effort) -> None:
    """Scans of their own cost a small picture more than they save; a large one is progressive."""
    whole = Image.open(io.BytesIO(photograph(95)))
    for edge_px, expected in ((50, False), (400, True)):
        recipe = replace(FAST, effort=effort, quality=80, operations=CONVERTED, target_format="jpg")
        made = milled(saved(whole.resize((edge_px, edge_px))), recipe)
        assert isinstance(made.content, bytes)
        assert bool(Image.open(io.BytesIO(made.content)).info.get("progressive")) is expected
    image = reopened(saved(whole.resize((50, 50))), "png")
    plain = Encoding(codec="jpg", quality=80, effort=effort)
    assert len(encoded(image, replace(plain, pixels=2500))) < len(encoded(image, plain))


def photograph(quality: int, *, is_progressive: bool = False) -> bytes:
    """Return soft noise as JPEG."""
    coarse = Image.frombytes("RGB", (40, 40), random.Random(5).randbytes(4800))
    image = coarse.resize((400, 400), Image.Resampling.BICUBIC)
    held = io.BytesIO()
    image.save(held, "JPEG", quality=quality, progressive=is_progressive, optimize=is_progressive)
    return held.getvalue()


def test_a_palette_is_taken_where_it_looks_well() -> None:
    """A drawing with a few smooth colours becomes a palette that scores 75 or more."""
    content = screenshot(rainbow(40, 60))
    made = result(content)
    assert Image.open(io.BytesIO(made)).mode == "P"
    assert Judge(reopened(content, "png")).score(made, "png") >= 75


def test_what_a_palette_would_ruin_stays_exact() -> None:
    """Where 256 colours show, every pixel stays as it is."""
    content = screenshot(rainbow(80, 255))
    both = [Image.open(io.BytesIO(each)) for each in (content, result(content))]
    assert both[1].mode == "RGB"
    assert both[0].tobytes() == both[1].tobytes()


def test_a_palette_that_shows_is_matched_more_closely() -> None:
    """Fewer colours than the format has are no reason to look worse than it could."""
    content = saved(speckles())
    made = result(content)
    assert Image.open(io.BytesIO(made)).mode == "P"
    assert Judge(reopened(content, "png")).score(made, "png") >= 85


def leaves() -> Image.Image:
    """Return pale soft noise, finer than JPEG's blocks, which 256 colours hold fairly well."""
    coarse = Image.frombytes("RGB", (80, 80), random.Random(5).randbytes(19_200))
    image = coarse.resize((400, 400), Image.Resampling.BICUBIC)
    return Image.blend(image.convert("L").convert("RGB"), image, 0.3)


def test_a_photograph_gets_a_palette_where_a_quality_bears_it() -> None:
    """A PNG photograph in fewer colours looks no worse than as JPEG at the quality named."""
    content = saved(leaves())
    made = milled(content, replace(FAST, quality=50))
    assert isinstance(made.content, bytes)
    assert Image.open(io.BytesIO(made.content)).mode == "P"
    judge = Judge(reopened(content, "png"))
    as_jpg = milled(content, replace(CONVERTED_FAST, quality=50, target_format="jpg"))
    assert isinstance(as_jpg.content, bytes)
    assert judge.score(made.content, "png") >= max(75, judge.score(as_jpg.content, "jpg"))


@pytest.mark.parametrize("quality", [None, 80, 95])
def test_a_photograph_that_a_palette_would_cost_too_much_stays_exact(quality: int | None) -> None:
    """Unless somebody named a quality, and above what 256 colours hold, every pixel stays."""
    content = saved(leaves())
    made = milled(content, replace(FAST, quality=quality))
    assert isinstance(made.content, bytes)
    assert Image.open(io.BytesIO(made.content)).tobytes() == leaves().tobytes()
    assert made.encodes == 1, "a sample tells that it has no hope"


def test_what_fewer_colours_must_score() -> None:
    """A drawing a floor, a photograph what JPEG does, one beyond JPEG's edges stays as it is."""
    image = reopened(saved(leaves()), "png")
    palette = Encoding(codec="png", quality=100, effort=Effort.FAST, is_palette=True)
    asked = replace(FAST, quality=50)
    least = least_score(image, palette, asked)
    assert least is not None
    assert least > 75
    clear = image.bandjoin(255).copy_memory()
    assert least_score(clear, palette, asked) == pytest.approx(least, abs=0.01)
    assert least_score(image, replace(palette, is_flat=True), asked) == 75
    assert least_score(image, replace(palette, quality=None), asked) == 75
    assert least_score(image.replicate(170, 1), palette, asked) is None


def test_a_photograph_may_lose_colours_for_a_score() -> None:
    """Where a score is asked for, a palette that has it is smaller than every pixel, and packed."""
    content = saved(leaves())
    exact = milled(content, FAST)
    made = milled(content, replace(FAST, target_quality=80.0))
    assert made.score is not None
    assert 80 <= made.score < 100
    assert made.content_bytes < 0.7 * exact.content_bytes
    assert isinstance(made.content, bytes)
    every = codec("png").packings
    assert every is not None
    assert len(packed(made.content, every(Effort.FAST, 160_000, made.content_bytes))) == len(
        made.content
    )


@pytest.mark.corpora
@needs_corpora
def test_a_fast_palette_does_not_dither_flat_areas() -> None:
    """Less effort costs some bytes of a screenshot, not several times as many."""
    image = reopened((CORPORA / "graphics/18f_press-all-buttons.png").read_bytes(), "png")
    palette = Encoding(codec="png", quality=80, effort=Effort.FAST, is_palette=True, is_flat=True)
    balanced = replace(palette, effort=Effort.BALANCED)
    assert len(encoded(image, palette)) < 1.3 * len(encoded(image, balanced))


@pytest.mark.parametrize("has_few", [True, False])
def test_a_strip_keeps_its_colours(*, has_few: bool) -> None:
    """What is too narrow to score within its plan stays exact, in as many colours as it has."""
    rng = random.Random(2)
    shades = [rng.randbytes(3) for _ in range(200 if has_few else 700)]
    row = b"".join(rng.choice(shades) * rng.randint(3, 12) for _ in range(9000))
    strip = Image.frombytes("RGB", (len(row) // 3, 1), row)
    made = milled(saved(strip.quantize(256) if has_few else strip))
    assert made.encodes == 1
    assert isinstance(made.content, bytes)
    assert Image.open(io.BytesIO(made.content)).convert("RGB").tobytes() == row


def test_a_palette_that_shows_is_refined_in_steps() -> None:
    """Between the quality asked for and the closest match there is one more try, and then none."""
    palette = Encoding(codec="png", quality=50, effort=Effort.FAST, is_palette=True)
    assert finer(palette) == replace(palette, quality=90)
    assert finer(replace(palette, quality=90)) == replace(palette, quality=100)
    assert finer(replace(palette, quality=100)) is None
    assert finer(replace(palette, quality=None)) is None


def test_a_likeness_is_the_score_of_the_same_pixels() -> None:
    """Strip by strip or held whole, opaque or clear, two images score the same."""
    content = screenshot(rainbow(80, 255))
    image = reopened(content, "png")
    coarse = image.gaussblur(1.5).cast("uchar")
    dark, light = image.linear(0.2, 0).cast("uchar"), image.linear(0.2, 200).cast("uchar")
    clear = [(each.bandjoin(250), each.bandjoin(90)) for each in (dark, light)]
    for first, second in ((image, coarse), *clear):
        held = second.pngsave_buffer()
        expected = Judge(first.copy_memory()).score(held, "png")
        assert likeness(first, second) == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize("quality", [50, 70, 80])
@pytest.mark.parametrize("kind", ["plain", "progressive"])
def test_a_photograph_that_is_good_enough_is_left_alone(quality: int, kind: str) -> None:
    """A JPEG at no more than the quality asked for stays byte for byte where little is to gain."""
    made = milled(photograph(quality, is_progressive=kind == "progressive"), FAST, "jpg")
    assert (made.status, made.content) == (Status.KEPT, None)


def test_good_enough_is_by_quality_and_by_a_tenth() -> None:
    """What was stored at more than is asked for, or shrinks by a tenth, is recoded."""
    header = Header(codec="jpg", width_px=9, height_px=9, file_bytes=1000, quality=70)
    jpeg = codec("jpg")
    for recipe, result_bytes, expected in (
        (FAST, 901, True),
        (FAST, 899, False),
        (replace(FAST, quality=69), 990, False),
        (replace(FAST, quality=70), 990, True),
        (replace(FAST, if_larger=IfLarger.WRITE), 990, False),
    ):
        found = is_good_enough(header, recipe, jpeg, own_bytes=1000, result_bytes=result_bytes)
        assert found is expected, (recipe, result_bytes)
    assert not is_good_enough(header, FAST, codec("webp"), own_bytes=1000, result_bytes=990)


def test_metadata_goes_without_another_loss() -> None:
    """Such a photograph loses what metadata must go, and its pixels stay as they are coded."""
    content = photograph(70)
    with_comment = content[:2] + b"\xff\xfe\x00\x0ca comment!" + content[2:]
    made = milled(with_comment, FAST, "jpg")
    assert made.status is Status.OPTIMIZED
    assert isinstance(made.content, bytes)
    before, after = (Image.open(io.BytesIO(each)) for each in (content, made.content))
    assert before.tobytes() == after.tobytes()
    assert b"a comment!" not in made.content


@pytest.mark.parametrize("least", ["99%", "1"])
def test_metadata_that_goes_makes_no_saving_count(least: str) -> None:
    """Where recoding saves less than `--min-savings` asks for, metadata goes and pixels stay."""
    content = photograph(95)
    with_comment = content[:2] + b"\xff\xfe\x00\x0ca comment!" + content[2:]
    made = milled(with_comment, replace(FAST, min_savings=parse_savings(least)), "jpg")
    assert made.status is Status.OPTIMIZED
    assert isinstance(made.content, bytes)
    assert b"a comment!" not in made.content
    before, after = (Image.open(io.BytesIO(each)) for each in (content, made.content))
    assert (before.tobytes() == after.tobytes()) is (least == "99%")


def test_who_says_what_savings_count_is_heeded() -> None:
    """`--min-savings`, `--if-larger write`, `fixed` and a lower quality each have it recoded."""
    content = photograph(70)
    for recipe in (
        replace(FAST, min_savings=parse_savings("1")),
        replace(FAST, if_larger=IfLarger.WRITE),
        replace(FAST, strategy=StrategyName.FIXED, quality=70),
        replace(FAST, quality=40),
    ):
        assert milled(content, recipe, "jpg").status is Status.OPTIMIZED, recipe

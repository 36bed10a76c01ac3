"""A look that is asked for is had in few bytes, whatever the image and the format, or refused."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import pyvips
import ssimulacra2.ssimulacra2 as oracle
from PIL import Image

import pixmill
from imaging_cases import animated_png
from pixmill.imaging.judge import Judge
from pixmill.imaging.probe import probe
from pixmill.imaging.score import Side, scored
from pixmill.milling import Product, mill
from pixmill.model import Failed, FailureKind, Status
from pixmill.planning import Limits, planned
from pixmill.recipe import Recipe
from pixmill.registry import codec, codecs, writable_names
from pixmill.strategies.score_search import BAND
from pixmill.vocabulary import Colour, Effort, IfLarger, Operation, StrategyName
from test_max_size import ODD, odd, photo
from test_perception import blurred_with_zeros, oracles_score

TRAVEL = Path(__file__).parent / "sample" / "travel"
MOVING = [spec.name for spec in codecs() if spec.score_curve and spec.supports_animation]
CURVED = [spec.name for spec in codecs() if spec.score_curve]


def travel(name: str, width_px: int = 400) -> bytes:
    """Return a photograph of the sample, small, as a PNG."""
    image = pyvips.Image.thumbnail(str(TRAVEL / name), width_px)
    return bytes(image.pngsave_buffer(keep="none"))


def recipe(target: str, score: float, **more: object) -> Recipe:
    """Return a recipe for files of a format that score so much."""
    return Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
        target_format=target,
        target_quality=score,
        **{"effort": Effort.FAST, **more},  # type: ignore[arg-type]  # options, by their own types
    )


def milled(content: bytes, wanted: Recipe, codec_name: str = "png") -> Product | Failed:
    """Make an image by a recipe."""
    return mill(content, codec_name, wanted, Limits(1 << 30), lease=lambda _: None)


def made(content: bytes, wanted: Recipe, codec_name: str = "png") -> Product:
    """Make an image that must not fail."""
    product = milled(content, wanted, codec_name)
    assert isinstance(product, Product), product
    return product


def content_of(product: Product) -> bytes:
    """Return a result's bytes."""
    assert isinstance(product.content, bytes), product
    return product.content


def score_of(source: bytes, product: Product) -> float:
    """Return what `pixmill compare` would say of a PNG and a result."""
    result = Side(content_of(product), product.target, "result")
    return scored(Side(source, "png", "source"), result)


@pytest.mark.parametrize("target", writable_names())
@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("wanted", [30, 92])
def test_odd_images_have_the_look_or_are_unreachable(kind: str, target: str, wanted: int) -> None:
    """An odd image reaches the score in every format, as a second reader finds, or says why not."""
    source = odd(kind)
    product = milled(source, recipe(target, wanted, if_larger=IfLarger.WRITE))
    if isinstance(product, Failed):
        cannot_hold = max(Image.open(io.BytesIO(source)).size) > codec(target).max_edge_px
        expected = FailureKind.TOO_LARGE if cannot_hold else FailureKind.UNREACHABLE
        assert product.kind is expected, product
        assert cannot_hold or not codec(target).is_exact
        return
    assert product.score is not None
    assert product.score >= wanted
    if kind != "clear" or codec(target).supports_alpha:  # else it was put on white before
        assert score_of(source, product) == pytest.approx(product.score, abs=0.01)


@pytest.mark.parametrize("name", CURVED)
@pytest.mark.parametrize("wanted", [60, 75, 85])
def test_photographs_score_just_above_the_target(name: str, wanted: int) -> None:
    """The score that is told is had, and it lies in the band above the target."""
    source = travel("colosseum.jpg")
    product = made(source, recipe(name, wanted))
    assert product.score is not None
    assert wanted <= product.score <= wanted + BAND
    assert product.encodes <= 4
    assert score_of(source, product) == pytest.approx(product.score, abs=0.01)


@pytest.mark.parametrize("name", CURVED)
def test_the_score_is_ssimulacra2s(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The independent implementation, with libjxl's blur, says the same of what was published."""
    monkeypatch.setattr(oracle, "blur_image", blurred_with_zeros)
    source = travel("osprey.jpg")
    product = made(source, recipe(name, 80))
    assert product.score is not None
    result = pyvips.Image.new_from_buffer(content_of(product), "").colourspace("srgb")
    reference = pyvips.Image.new_from_buffer(source, "")
    expected = oracles_score(tmp_path, reference, result)
    assert product.score == pytest.approx(expected, abs=0.01)
    assert 80 <= product.score <= 80 + BAND


def test_a_large_photograph_is_verified_whole() -> None:
    """Above two megapixels a mosaic guides the search, and the score is still the whole's."""
    image = pyvips.Image.new_from_file(str(TRAVEL / "colosseum.jpg")).copy_memory()
    large = image.resize(2_400_000**0.5 / (image.width * image.height) ** 0.5)
    source = bytes(large.pngsave_buffer(compression=1, keep="none"))
    product = made(source, recipe("jpg", 75))
    assert product.score is not None
    assert 75 <= product.score <= 75 + BAND
    assert product.encodes <= 3
    assert score_of(source, product) == pytest.approx(product.score, abs=0.01)


@pytest.mark.parametrize("shape", ["grey", "deep", "cmyk", "p3", "alpha"])
@pytest.mark.parametrize("target", ["jpg", "webp", "png", "gif"])
def test_any_kind_of_pixels_is_scored(shape: str, target: str) -> None:
    """Grey, deep, CMYK, wide-gamut and half transparent images are held to the target too."""
    image = pyvips.Image.thumbnail(str(TRAVEL / "lake.jpg"), 240).copy_memory()
    ramp = pyvips.Image.xyz(image.width, image.height)[0].cast("uchar")
    content = {
        "grey": image.colourspace("b-w").pngsave_buffer(),
        "deep": image.colourspace("rgb16").pngsave_buffer(),
        "p3": image.icc_export(output_profile="p3").pngsave_buffer(),
        "alpha": image.bandjoin(ramp).pngsave_buffer(),
        "cmyk": image.icc_export(output_profile="cmyk").jpegsave_buffer(Q=98),
    }[shape]
    wanted = recipe(target, 45, colour=Colour.KEEP, background="#808080")
    product = milled(bytes(content), wanted, "jpg" if shape == "cmyk" else "png")
    if isinstance(product, Failed):  # GIF knows no half transparency
        assert (shape, target, product.kind) == ("alpha", "gif", FailureKind.UNREACHABLE)
        return
    if target == "webp" and shape in {"grey", "p3", "alpha"}:
        assert score_of(bytes(content), product) == pytest.approx(product.score, abs=0.05)
    is_own = product.score is None and product.content_bytes <= len(content)
    assert is_own or (product.score or 0) >= 45, product


@pytest.mark.parametrize("name", MOVING)
def test_frames_are_held_to_the_target(name: str) -> None:
    """The worst of an animation's first, middle and last frame reaches the score."""
    product = made(animated_png(), recipe(name, 60, if_larger=IfLarger.WRITE))
    assert (product.score or 0) >= 60


def stacked(turns: list[int]) -> pyvips.Image:
    """Return frames of one picture, each turned by so many degrees."""
    picture = Image.open(TRAVEL / "lake.jpg").resize((256, 256))
    frames = [np.asarray(picture.rotate(turn)) for turn in turns]
    roll = pyvips.Image.new_from_array(np.concatenate(frames)).copy(interpretation="srgb")
    roll.set_type(pyvips.GValue.gint_type, "page-height", frames[0].shape[0])
    return roll.copy_memory()


def test_frames_that_an_encoder_merges_are_no_trouble() -> None:
    """Where a result has fewer frames than were shown its first is scored, else the worst."""
    judge = Judge(stacked([0, 90, 180]))
    fewer, other = (
        stacked(turns).webpsave_buffer(lossless=True) for turns in ([0, 90], [0, 90, 9])
    )
    assert judge.score(bytes(fewer), "webp") == 100.0
    assert judge.score(bytes(other), "webp") < 50


def test_transparency_is_seen_on_black_and_on_white() -> None:
    """What differs on one of the two backgrounds alone lowers the score."""
    ramp = pyvips.Image.xyz(256, 256)[0].cast("uchar")
    dark = (ramp * 0).bandjoin([ramp * 0, ramp * 0]).cast("uchar").copy(interpretation="srgb")
    bright = dark.invert()
    for colour in (dark, bright):
        judge = Judge(colour.bandjoin(ramp).copy_memory())
        assert judge.score(bytes(colour.bandjoin(ramp).pngsave_buffer()), "png") == 100.0
        assert judge.score(bytes(colour.bandjoin(ramp.fliphor()).pngsave_buffer()), "png") < 50


def test_chroma_is_whole_where_half_of_it_cannot_reach() -> None:
    """A score beyond halved chroma is reached with whole chroma, and not much beyond."""
    source = travel("colosseum.jpg")
    product = made(source, recipe("jpg", 94))
    assert product.score is not None
    assert 94 <= product.score <= 94 + BAND
    assert probe(content_of(product), "jpg").is_subsampled is False
    halved = made(source, recipe("jpg", 80))
    assert probe(content_of(halved), "jpg").is_subsampled is True


def test_a_result_is_good_enough_for_the_same_target() -> None:
    """What was made for a target is left alone, byte for byte, when it is asked for again."""
    first = made(travel("lake.jpg"), recipe("jpg", 70))
    again = Recipe(target_quality=72, effort=Effort.FAST)
    second = made(content_of(first), again, "jpg")
    assert (second.status, second.encodes) == (Status.KEPT, 0)


def test_no_quality_above_the_sources_own_is_used() -> None:
    """Pixels stored at a low quality are never stored at a higher; a note tells what that gives."""
    image = pyvips.Image.new_from_buffer(travel("colosseum.jpg"), "")
    low = bytes(image.jpegsave_buffer(Q=55, keep="none"))
    kept = made(low, Recipe(target_quality=90, effort=Effort.FAST), "jpg")
    assert kept.status is Status.KEPT
    turned = image.copy()
    turned.set_type(pyvips.GValue.gint_type, "orientation", 6)
    upright = made(
        bytes(turned.jpegsave_buffer(Q=55)), Recipe(target_quality=95, effort=Effort.FAST), "jpg"
    )
    assert upright.status is Status.OPTIMIZED
    assert upright.quality is not None
    assert upright.quality <= 55
    assert any("no quality above the source's own" in note for note in upright.notes)


def test_what_webp_cannot_reach_is_nearly_lossless_where_that_is_smaller() -> None:
    """Beyond its lossy coding: nearly lossless if that saves bytes, else unreachable."""
    source = travel("colosseum.jpg")
    product = made(source, recipe("webp", 94))
    assert product.quality in codec("webp").near_lossless
    assert product.score is not None
    assert product.score >= 94
    assert product.content_bytes < len(source)
    assert score_of(source, product) == pytest.approx(product.score, abs=0.01)
    exact = made(source, recipe("webp", 99.5))
    assert (exact.quality, exact.score) == (None, 100.0)
    jpeg = bytes(pyvips.Image.new_from_buffer(source, "").jpegsave_buffer(Q=90))
    failed = milled(jpeg, recipe("webp", 95), "jpg")
    assert isinstance(failed, Failed)
    assert failed.kind is FailureKind.UNREACHABLE
    assert "at best, below 95" in failed.message
    assert "--target-quality" in failed.message


def test_a_quality_is_the_ceiling_of_the_search() -> None:
    """With a quality none above it is tried, and an image that needs one is unreachable."""
    source = travel("colosseum.jpg")
    failed = milled(source, recipe("jpg", 90, quality=60))
    assert isinstance(failed, Failed)
    assert failed.kind is FailureKind.UNREACHABLE
    assert "raise --quality" in failed.message
    product = made(source, recipe("jpg", 50, quality=95))
    assert product.quality is not None
    assert product.quality < 60


def test_a_floor_holds_whatever_the_score() -> None:
    """No quality below the floor is used, though the score would allow it."""
    product = made(travel("colosseum.jpg"), recipe("jpg", 30, min_quality=65))
    assert product.quality == 65
    assert product.score is not None
    assert product.score > 30 + BAND


def test_a_cap_on_size_wins_over_the_score() -> None:
    """With both targets the file fits, and a note tells the score that was left."""
    source = travel("colosseum.jpg")
    free = made(source, recipe("jpg", 85))
    cap_bytes = free.content_bytes * 2 // 3
    capped = made(source, recipe("jpg", 85, max_size_bytes=cap_bytes))
    assert capped.content_bytes <= cap_bytes
    assert capped.score is not None
    assert capped.score < 85
    assert score_of(source, capped) == pytest.approx(capped.score, abs=0.01)
    assert any("--max-size allows no more" in note for note in capped.notes)
    roomy = made(source, recipe("jpg", 85, max_size_bytes=free.content_bytes))
    assert roomy.content == free.content


def test_palettes_are_judged_by_their_score() -> None:
    """A drawing gets a palette where that reaches the score, and full colour where it does not."""
    rng = np.random.default_rng(5)
    flat = Image.new("RGB", (320, 320), "white")
    for index in range(0, 320, 8):
        shade = tuple(int(each) for each in rng.integers(0, 255, 3))
        flat.paste(shade, (index, index // 2, index + 6, 320))
    held = io.BytesIO()
    flat.save(held, "PNG")
    product = made(held.getvalue(), recipe("png", 60, if_larger=IfLarger.WRITE))
    assert product.score is not None
    assert product.score >= 60
    gradient = made(photo(), recipe("png", 60, strategy=StrategyName.FIXED))
    assert (gradient.quality, gradient.score) == (None, 100.0)


def test_a_palette_takes_few_encodes() -> None:
    """What drawings mostly score is known, so that a palette is not found by halving: 7 encodes."""
    drawn = Image.new("RGB", (320, 320), "white")
    for index in range(0, 320, 2):
        drawn.paste((index * 5 % 256, index * 11 % 256, index % 256), (index, 40, index + 2, 320))
        drawn.paste((index // 2, 128, 90), (0, index // 8, 320, index // 8 + 1))
    held = io.BytesIO()
    drawn.save(held, "PNG")
    for target in (70, 80):
        product = made(held.getvalue(), recipe("png", target, if_larger=IfLarger.WRITE))
        assert product.score is not None
        assert product.score >= target
        assert product.encodes <= 5, (target, product)


def test_a_gif_loses_colours_as_far_as_the_score_allows() -> None:
    """Fewer colours for a lower score; a score that 256 colours miss is unreachable."""
    source = travel("colosseum.jpg", 240)
    low, high = (made(source, recipe("gif", wanted)) for wanted in (20, 55))
    assert low.content_bytes < high.content_bytes
    assert score_of(source, low) >= 20
    failed = milled(source, recipe("gif", 99))
    assert isinstance(failed, Failed)
    assert failed.kind is FailureKind.UNREACHABLE


def test_what_memory_cannot_score_is_refused_with_what_it_needs() -> None:
    """Scores need the pixels: a plan without them is refused; exact formats stream as ever."""
    source = travel("lake.jpg", 1200)
    header = probe(source, "png")
    lease_bytes = 12_000_000
    refused = planned(header, recipe("jpg", 80), Limits(lease_bytes))
    assert isinstance(refused, Failed)
    assert refused.kind is FailureKind.TOO_LARGE
    assert "to be scored as JPEG" in refused.message
    assert "--quality in place of --target-quality" in refused.message
    wanted = recipe("png", 80, if_larger=IfLarger.WRITE)
    exact = mill(source, "png", wanted, Limits(lease_bytes), lease=lambda _: None)
    assert isinstance(exact, Product)
    assert exact.score == 100.0
    assert exact.content is not None
    assert not isinstance(exact.content, bytes)
    exact.content.close()


def test_the_fallback_without_loss_is_planned_for_where_it_fits() -> None:
    """Memory that lossless WebP needs is asked for, and done without where there is less."""
    image = pyvips.Image.new_from_buffer(travel("lake.jpg", 1200), "")
    header = probe(bytes(image.jpegsave_buffer(keep="none")), "jpg")
    roomy = planned(header, recipe("webp", 90), Limits(1 << 30))
    assert not isinstance(roomy, Failed)
    assert roomy.has_lossless
    thrifty = planned(header, recipe("webp", 90), Limits(roomy.cost_bytes - 1))
    assert not isinstance(thrifty, Failed)
    assert thrifty.has_lossless
    tight = planned(header, recipe("webp", 90), Limits(thrifty.cost_bytes - 1))
    assert not isinstance(tight, Failed)
    assert tight.cost_bytes < thrifty.cost_bytes < roomy.cost_bytes
    assert not tight.has_lossless


def test_less_memory_gives_the_same_file() -> None:
    """Where what is known of the pixels cannot be kept, each score costs more and is the same."""
    source = travel("lake.jpg", 1200)
    header = probe(source, "png")
    roomy = planned(header, recipe("jpg", 80), Limits(1 << 30))
    assert not isinstance(roomy, Failed)
    tight = planned(header, recipe("jpg", 80), Limits(roomy.cost_bytes - 1))
    assert not isinstance(tight, Failed)
    assert (roomy.is_thrifty, tight.is_thrifty) == (False, True)
    limits = Limits(roomy.cost_bytes - 1)
    thrifty = mill(source, "png", recipe("jpg", 80), limits, lease=lambda _: None)
    assert isinstance(thrifty, Product)
    free = made(source, recipe("jpg", 80))
    assert (thrifty.content, thrifty.score) == (free.content, free.score)


def test_a_run_tells_the_scores(tmp_path: Path) -> None:
    """Confined workers score too; outcomes have the score, and the summary their median."""
    (tmp_path / "in").mkdir()
    for name in ("lake.jpg", "colosseum.jpg", "osprey.jpg"):
        (tmp_path / "in" / name).with_suffix(".png").write_bytes(travel(name, 300))
    wanted = recipe("webp", 70)
    with pixmill.optimize(tmp_path / "in", tmp_path / "out", wanted) as run:
        outcomes = list(run)
    scores = sorted(outcome.score or 0 for outcome in outcomes)
    assert len(scores) == 3
    assert 70 <= scores[0] <= scores[2] <= 70 + 2 * BAND
    assert run.summary.median_score == pytest.approx(scores[1], abs=0.06)
    assert run.summary.encodes == sum(outcome.encodes for outcome in outcomes)

"""A cap on size is kept whatever the image and the format, or said to be unreachable."""

from __future__ import annotations

import io
import math

import pytest
import pyvips
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pixmill.codecs.spec import Encoding
from pixmill.geometry import Size
from pixmill.imaging.encode import encoded
from pixmill.imaging.sample import levelled, sampled_for_size
from pixmill.imaging.verify import difference
from pixmill.milling import Product, mill
from pixmill.model import Failed, FailureKind, Status
from pixmill.planning import Limits
from pixmill.recipe import Recipe
from pixmill.registry import codec, writable_names
from pixmill.strategies.shrinking import largest_fitting
from pixmill.vocabulary import Effort, Operation

ODD = ("grey", "dot", "line", "clear", "noise")


def odd(kind: str) -> bytes:
    """Return a PNG: monochrome, one pixel, 1 x 65,000, wholly transparent, or noise."""
    noise = Image.effect_noise((160, 120), 90)
    image = {
        "grey": Image.linear_gradient("L"),
        "dot": Image.new("RGB", (1, 1), (9, 200, 77)),
        "line": Image.linear_gradient("L").resize((1, 65_000)),
        "clear": Image.new("RGBA", (200, 100), (255, 0, 0, 0)),
        "noise": Image.merge("RGB", (noise, noise.rotate(180), noise.rotate(90, expand=False))),
    }[kind]
    held = io.BytesIO()
    image.save(held, "PNG")
    return held.getvalue()


def capped(cap_bytes: int, target: str, **more: int) -> Recipe:
    """Return a recipe for files of at most so many bytes."""
    return Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
        target_format=target,
        max_size_bytes=cap_bytes,
        effort=Effort.FAST,
        **more,  # type: ignore[arg-type]  # a quality, by its own type
    )


def milled(content: bytes, recipe: Recipe) -> Product | Failed:
    """Make a PNG by a recipe."""
    return mill(content, "png", recipe, Limits(1 << 30), lease=lambda _: None)


@pytest.mark.parametrize("target", writable_names())
@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("cap_bytes", [1, 900, 6_000, 10_000_000])
def test_odd_images_fit_or_are_unreachable(kind: str, target: str, cap_bytes: int) -> None:
    """An odd image under a cap becomes a file of its own format that fits, or is unreachable."""
    made = milled(odd(kind), capped(cap_bytes, target))
    if isinstance(made, Failed):
        cannot_hold = max(Image.open(io.BytesIO(odd(kind))).size) > codec(target).max_edge_px
        expected = FailureKind.TOO_LARGE if cannot_hold else FailureKind.UNREACHABLE
        assert made.kind is expected, made
        assert cannot_hold or cap_bytes < 10_000_000
        return
    assert cap_bytes > 1
    if made.status is Status.OPTIMIZED:
        assert isinstance(made.content, bytes)
        assert len(made.content) == made.content_bytes <= cap_bytes
        assert codec(target).recognises(made.content[:4096])
    else:
        assert len(odd(kind)) <= cap_bytes


def test_the_top_of_the_search_is_asked_for_or_the_sources_own() -> None:
    """A generous cap gives the quality asked for, the source's own, or 92 where neither is."""
    assert milled_quality(capped(10**6, "jpg", quality=70)) == 70
    assert milled_quality(capped(10**6, "jpg")) == 92
    assert Recipe(quality=90).highest_quality(81) == 81
    assert Recipe().highest_quality(95) == 95


def milled_quality(recipe: Recipe) -> int | None:
    """Return the quality that noise ends with."""
    made = milled(odd("noise"), recipe)
    assert isinstance(made, Product), made
    return made.quality


def test_a_sample_is_a_small_part_with_the_size_of_the_whole() -> None:
    """Of a large image about an eighth or less is taken; of a small or a thin one nothing."""
    large = pyvips.Image.gaussnoise(1500, 1000).cast("uchar")
    sampled = sampled_for_size(large)
    assert sampled is not None
    assert sampled.share <= 1 / 7
    assert sampled.mosaic.width * sampled.mosaic.height == round(sampled.share * 1_500_000)
    encoding = Encoding(codec="jpg", quality=70, effort=Effort.FAST)
    assert sampled.whole_bytes(encoding) == pytest.approx(len(encoded(large, encoding)), rel=0.1)
    assert sampled_for_size(large.crop(0, 0, 300, 300)) is None
    assert sampled_for_size(pyvips.Image.black(20_000, 100)) is None


def banded() -> pyvips.Image:
    """Return noise in bands where squares are taken, and nothing between them."""
    noise = pyvips.Image.gaussnoise(512, 512, seed=1)
    is_busy = ((pyvips.Image.xyz(512, 512)[1] % 171) - 85).abs() < 40
    return is_busy.ifthenelse(noise, 128).cast("uchar").copy(interpretation="b-w").copy_memory()


@pytest.mark.parametrize("name", ["jpg", "webp"])
def test_squares_that_are_busier_than_the_rest_are_levelled(name: str) -> None:
    """Where squares have twice the bytes of their share, a levelled sample errs by a fifth."""
    image = banded()
    sampled = sampled_for_size(image)
    assert sampled is not None
    encoding = Encoding(codec=name, quality=70, effort=Effort.FAST)
    whole_bytes = len(encoded(image, encoding))
    assert sampled.whole_bytes(encoding) > 1.7 * whole_bytes
    levelled_bytes = levelled(sampled, image).whole_bytes(encoding)
    assert levelled_bytes == pytest.approx(whole_bytes, rel=0.2)


@pytest.mark.parametrize("space", ["b-w", "grey16", "srgb", "rgb16", "scrgb", "cmyk"])
def test_pixels_of_any_kind_are_levelled(space: str) -> None:
    """Depth, colours and alpha do not matter, nor that there is nothing but one colour."""
    flat = (banded() * 0 + 128).cast("uchar").copy(interpretation="b-w")
    for image in (banded(), flat):
        opaque = image.colourspace("srgb").colourspace(space)
        for each in (opaque, opaque.addalpha()):
            sampled = sampled_for_size(each)
            assert sampled is not None
            assert 0.01 < levelled(sampled, each).share < 1.1


def test_an_edge_that_no_jpeg_has_leaves_a_sample_as_it_was() -> None:
    """What cannot be levelled is not refused: JPEG XL has longer edges than the JPEG it asks."""
    long = pyvips.Image.black(65_501, 128)
    sampled = sampled_for_size(long)
    assert sampled is not None
    assert levelled(sampled, long) is sampled


def photo() -> bytes:
    """Return a PNG that has more colours than a palette."""
    gradient = Image.linear_gradient("L")
    blurred = Image.effect_noise((256, 256), 60)
    held = io.BytesIO()
    Image.merge("RGB", (gradient, gradient.rotate(90), blurred)).save(held, "PNG")
    return held.getvalue()


def test_a_png_loses_colours_only_where_it_must() -> None:
    """What fits exactly is exact; else colours go as far as the cap asks, never below the floor."""
    exact = milled(photo(), Recipe())
    assert isinstance(exact, Product)
    roomy = milled(photo(), capped(10**6, "png"))
    assert isinstance(roomy, Product)
    assert roomy.quality is None
    cap_bytes = len(photo()) * 2 // 3
    tight = milled(photo(), capped(cap_bytes, "png", min_quality=30))
    assert isinstance(tight, Product), tight
    assert isinstance(tight.content, bytes)
    assert len(tight.content) <= cap_bytes
    assert tight.quality is not None
    assert tight.quality >= 30
    assert Image.open(io.BytesIO(tight.content)).mode == "P"
    assert isinstance(milled(photo(), capped(cap_bytes // 20, "png")), Failed)


def test_a_moving_gif_is_brought_under_its_cap_with_every_frame() -> None:
    """Under a cap a GIF loses colours, and keeps its frames and their times."""
    frames = [Image.open(io.BytesIO(photo())).rotate(turn).convert("P") for turn in (0, 40, 80)]
    held = io.BytesIO()
    frames[0].save(held, "GIF", save_all=True, append_images=frames[1:], duration=[50, 60, 70])
    cap_bytes = len(held.getvalue()) * 2 // 3
    recipe = Recipe(max_size_bytes=cap_bytes, min_quality=20, effort=Effort.FAST)
    made = mill(held.getvalue(), "gif", recipe, Limits(1 << 30), lease=lambda _: None)
    assert isinstance(made, Product), made
    assert isinstance(made.content, bytes)
    assert len(made.content) <= cap_bytes
    moving = Image.open(io.BytesIO(made.content))
    assert getattr(moving, "n_frames", 1) == 3
    assert made.quality is not None
    assert made.quality >= 20


def test_drawings_halve_chroma_before_they_are_unreachable() -> None:
    """Where full chroma does not fit at the lowest quality, half of it may, and a note says so."""
    flat = Image.new("RGB", (320, 320), "white")
    for index in range(0, 320, 10):
        flat.paste((index % 256, 255 - index % 200, 40 * index % 256), (index, 0, index + 7, 320))
    held = io.BytesIO()
    flat.save(held, "PNG")
    failed = milled(held.getvalue(), capped(1, "jpg", min_quality=80, quality=80))
    assert isinstance(failed, Failed)
    full = milled(held.getvalue(), capped(10**6, "jpg", min_quality=80, quality=80))
    assert isinstance(full, Product)
    made = milled(
        held.getvalue(), capped(full.content_bytes - 1, "jpg", min_quality=80, quality=80)
    )
    assert isinstance(made, Product), made
    assert made.content_bytes < full.content_bytes
    assert any("chroma" in note for note in made.notes)


def test_what_may_shrink_is_scaled_down_to_fit() -> None:
    """At the lowest quality and in proportion, no more than it must; a note tells the sizes."""
    whole = milled(photo(), capped(10**6, "jpg", min_quality=40, quality=40))
    assert isinstance(whole, Product)
    cap_bytes = whole.content_bytes // 2
    assert isinstance(milled(photo(), capped(cap_bytes, "jpg")), Failed)
    made = milled(photo(), capped(cap_bytes, "jpg", allow_downscale=True))
    assert isinstance(made, Product), made
    assert isinstance(made.content, bytes)
    assert 0.9 * cap_bytes <= len(made.content) <= cap_bytes
    assert Image.open(io.BytesIO(made.content)).size == (made.width_px, made.height_px)
    assert made.width_px == made.height_px < 256
    assert made.expected is not None
    assert difference(made.content, "jpg", made.expected) == ""
    assert any("scaled from 256x256 px" in note for note in made.notes)


def test_nothing_shrinks_to_less_than_a_quarter() -> None:
    """Below a quarter of its edges an image is unreachable, and the failure names what it took."""
    failed = milled(photo(), capped(300, "jpg", allow_downscale=True))
    assert isinstance(failed, Failed)
    assert failed.kind is FailureKind.UNREACHABLE
    assert "64x64 px" in failed.message


@given(
    st.integers(min_value=1, max_value=70_000),
    st.integers(min_value=1, max_value=70_000),
    st.floats(min_value=0.01, max_value=0.99),
    st.floats(min_value=1.0, max_value=2.2),
)
def test_dimensions_that_fit_are_nearly_the_largest(
    width_px: int, height_px: int, share: float, power: float
) -> None:
    """In seven encodes at most: what is found fits, and 5 % more of the edge would not."""
    full, tried = Size(width_px, height_px), []
    longest_px = max(width_px, height_px)

    def size_of(size: Size) -> int:
        tried.append(size)
        edge_share = max(size.width_px, size.height_px) / longest_px
        return math.ceil(10**7 * math.pow(edge_share, power))

    cap_bytes = int(10**7 * share)
    found = largest_fitting(size_of, full, full_bytes=10**7, target_bytes=cap_bytes)
    assert len(tried) <= 7
    assert all(max(size.width_px, size.height_px) * 4 >= longest_px for size in tried)
    if found is None:
        floor = Size(math.ceil(longest_px / 4), 1)
        assert longest_px == 1 or size_of(floor) > cap_bytes
        return
    assert size_of(found) <= cap_bytes
    edge_px = max(found.width_px, found.height_px)
    assert size_of(Size(math.ceil(edge_px + 0.05 * longest_px + 1), 1)) > cap_bytes

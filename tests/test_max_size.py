"""A cap on size is kept whatever the image and the format, or said to be unreachable."""

from __future__ import annotations

import io

import pytest
import pyvips
from PIL import Image

from pixmill.imaging.sample import sampled_for_size
from pixmill.milling import Product, mill
from pixmill.model import Failed, FailureKind, Status
from pixmill.planning import Limits
from pixmill.recipe import Effort, Operation, Recipe
from pixmill.registry import codec, writable_names

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


def capped(cap_bytes: int, target: str, **more: int | Effort) -> Recipe:
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
    assert sampled_for_size(large.crop(0, 0, 300, 300)) is None
    assert sampled_for_size(pyvips.Image.black(20_000, 100)) is None

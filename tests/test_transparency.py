"""What is transparent by a palette or a single colour is so in every result that can be."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from imaging_cases import reread
from pixmill.api import optimize_bytes
from pixmill.recipe import Recipe
from pixmill.registry import codec
from pixmill.vocabulary import Operation


def _source(form: str) -> bytes:
    """Return a PNG, its left half red, its right half transparent, told in one of three ways."""
    held = io.BytesIO()
    if form == "palette":
        image = Image.new("P", (40, 20), 0)
        image.putpalette([200, 0, 0, 0, 0, 0])
        image.paste(1, (20, 0, 40, 20))
        image.save(held, "PNG", transparency=b"\xff\x00")
    elif form == "colour":
        image = Image.new("RGB", (40, 20), (200, 0, 0))
        image.paste((0, 0, 1), (20, 0, 40, 20))
        image.save(held, "PNG", transparency=(0, 0, 1))
    else:
        image = Image.new("L", (40, 20), 200)
        image.paste(7, (20, 0, 40, 20))
        image.save(held, "PNG", transparency=7)
    return held.getvalue()


@pytest.mark.parametrize("target", ["png", "webp", "avif", "gif", "tiff", "jpg", "bmp"])
@pytest.mark.parametrize("form", ["palette", "colour", "grey"])
def test_transparency_is_kept_or_laid_on_the_background(form: str, target: str) -> None:
    """Where the target stores alpha it is there; where it does not, the background is, alone."""
    recipe = Recipe(
        operations=frozenset({Operation.CONVERT, Operation.COMPRESS}),
        target_format=target,
        background="#00c000",
    )
    shown = reread(optimize_bytes(_source(form), recipe))
    pixels = np.asarray(shown.convert("RGBA")).astype(int)
    left, right = pixels[10, 5], pixels[10, 35]
    assert left == pytest.approx([200, *[200 if form == "grey" else 0] * 2, 255], abs=12)
    if codec(target).supports_alpha:
        assert right[3] == 0
    else:
        assert right == pytest.approx([0, 192, 0, 255], abs=12)

"""No fit and no gravity shifts, blurs or drops an edge by a pixel, from plan to pixels."""

from __future__ import annotations

import io
from itertools import product
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import pytest
from PIL import Image

from kernels import reference
from pixmill.api import optimize_bytes
from pixmill.geometry import Size, offset, placed
from pixmill.recipe import Recipe
from pixmill.units import Geometry
from pixmill.vocabulary import Fit, Gravity, Kernel, Operation

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[Any]

_SIZE: Final = Size(61, 40)
_BACKGROUND: Final = (10, 20, 30)
_PLACED: Final = [each for each in Gravity if each not in {Gravity.ATTENTION, Gravity.ENTROPY}]


def _framed() -> Pixels:
    """Return noise within a frame of one pixel, whose edges and corners all differ."""
    pixels = np.random.default_rng(1).integers(60, 200, (_SIZE.height_px, _SIZE.width_px, 3))
    pixels[0], pixels[-1] = (255, 0, 0), (0, 255, 0)
    pixels[:, 0], pixels[:, -1] = (0, 0, 255), (255, 255, 0)
    pixels[0, 0], pixels[0, -1] = (255, 255, 255), (0, 0, 0)
    pixels[-1, 0], pixels[-1, -1] = (255, 0, 255), (0, 255, 255)
    return pixels.astype(np.uint8)


def _made(pixels: Pixels, size: Size, *, is_cut: bool = False, **how: Any) -> Pixels:
    held = io.BytesIO()
    Image.fromarray(pixels).save(held, "PNG")
    work = {Operation.CROP if is_cut else Operation.RESIZE, Operation.COMPRESS}
    recipe = Recipe(
        operations=frozenset(work),
        resize=Geometry(size.width_px, size.height_px),
        background="#0a141e",
        lossless=True,
        **how,
    )
    made = Image.open(io.BytesIO(optimize_bytes(held.getvalue(), recipe)))
    return np.asarray(made.convert("RGBA" if pixels.shape[-1] == 4 else "RGB"))


@pytest.mark.parametrize("gravity", _PLACED)
def test_a_crop_is_exactly_the_pixels_of_its_place(gravity: Gravity) -> None:
    """What stays is what stood there, to the last row and column, odd remainders included."""
    pixels = _framed()
    for width_px, height_px in ((61, 21), (61, 39), (30, 40), (60, 40), (33, 17)):
        size = Size(width_px, height_px)
        box = offset(_SIZE, size, gravity)
        expected = pixels[box.top_px :, box.left_px :][:height_px, :width_px]
        assert np.array_equal(_made(pixels, size, is_cut=True, gravity=gravity), expected), size
        if height_px == 40 or width_px == 61:
            assert np.array_equal(_made(pixels, size, fit=Fit.COVER, gravity=gravity), expected)


@pytest.mark.parametrize("is_linear", [False, True])
@pytest.mark.parametrize("gravity", _PLACED)
def test_padding_stands_around_exactly_the_pixels(gravity: Gravity, is_linear: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """All around is the background and nothing else, and the picture is whole and unmoved."""
    pixels = _framed()
    for width_px, height_px in ((61, 45), (70, 40), (90, 71)):
        size = Size(width_px, height_px)
        box = offset(size, _SIZE, gravity)
        expected = np.full((height_px, width_px, 3), _BACKGROUND, np.uint8)
        expected[box.top_px :, box.left_px :][: _SIZE.height_px, : _SIZE.width_px] = pixels
        how: dict[str, Any] = {"fit": Fit.CONTAIN, "gravity": gravity, "linear": is_linear}
        assert np.array_equal(_made(pixels, size, **how), expected), size


@pytest.mark.parametrize(("fit", "gravity"), list(product(Fit, _PLACED)))
def test_scaling_keeps_every_edge_in_its_place(fit: Fit, gravity: Gravity) -> None:
    """Smaller and larger, each pixel to the last edge is what float64 arithmetic has there."""
    pixels = _framed()
    for wanted in (Size(31, 31), Size(40, 13), Size(122, 80), Size(90, 90)):
        box = Geometry(wanted.width_px, wanted.height_px)
        placement = placed(_SIZE, box, fit, can_enlarge=True)
        scaled, result = placement.scaled, placement.result
        sharp = reference(
            pixels.astype(np.float64), (scaled.width_px, scaled.height_px), Kernel.CUBIC
        ).clip(0, 255)
        place = offset(scaled, result, gravity) if placement.is_cropped else None
        expected = np.full((result.height_px, result.width_px, 3), _BACKGROUND, np.float64)
        if place:
            expected = sharp[place.top_px :, place.left_px :][: result.height_px, : result.width_px]
        else:
            hole = offset(result, scaled, gravity)
            expected[hole.top_px :, hole.left_px :][: scaled.height_px, : scaled.width_px] = sharp
        how: dict[str, Any] = {"kernel": Kernel.CUBIC, "enlarge": True}
        found = _made(pixels, wanted, fit=fit, gravity=gravity, **how).astype(np.float64)
        apart = np.abs(found - expected)
        assert apart.max() < 16, wanted  # libvips places pixels to a 64th, beside steps of 255
        assert apart.mean() < 1.5, wanted


@pytest.mark.parametrize("is_linear", [False, True])
@pytest.mark.parametrize("fit", [Fit.INSIDE, Fit.COVER, Fit.FILL, Fit.OUTSIDE])
def test_no_border_turns_transparent(fit: Fit, is_linear: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Opaque and even stays opaque and even to the last row, whatever the size."""
    pixels = np.full((_SIZE.height_px, _SIZE.width_px, 4), (200, 100, 50, 255), np.uint8)
    pixels[20, 30, 3] = 0
    for size in (Size(31, 31), Size(47, 30), Size(123, 91)):
        found = _made(pixels, size, fit=fit, enlarge=True, linear=is_linear).astype(int)
        border = np.concatenate([found[0], found[-1], found[:, 0], found[:, -1]])
        assert np.abs(border[:, :3] - (200, 100, 50)).max() <= 2
        assert border[:, 3].min() == 255

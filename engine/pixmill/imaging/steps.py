"""Carry out a plan's steps on an image, in the plan's order.

Must not choose sizes, colours or steps: `planning` has, and the result must be what it promised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, assert_never

import pyvips

from pixmill.imaging.colour import (
    background_of,
    in_p3,
    in_srgb,
    ready_for_background,
    to_storable,
)
from pixmill.imaging.errors import imaging_error, translating
from pixmill.imaging.notes import notes_of
from pixmill.imaging.pages import by_page, first_page
from pixmill.imaging.resampling import resampled
from pixmill.model import FailureKind, Stage
from pixmill.plan import Crop, Flatten, Orient, Pad, Scale, SmartCrop, ToP3, ToSrgb
from pixmill.registry import codec

if TYPE_CHECKING:
    from pixmill.plan import Plan, Step

__all__ = ["cut_of", "notes_of", "run_steps", "turned"]

_IN_LINE_ORDER: Final = frozenset({1, 2})
"""Orientations that are made while reading from top to bottom; the others read backwards."""

_ORIENTATION_FIELDS: Final = ("orientation", "exif-ifd0-Orientation", "exif-ifd1-Orientation")
_CUT_LEFT: Final = "pixmill-cut-left"
_CUT_TOP: Final = "pixmill-cut-top"


def run_steps(image: pyvips.Image, plan: Plan) -> pyvips.Image:
    """Return the finished pixels, still lazy where the steps allow it.

    Args:
        image: From `load.opened`.
        plan: Says what is done, and which size comes of it.

    Returns:
        Eight bits a band unless both source and target are deeper; `notes_of` tells what happened
        on the way.

    Raises:
        ImagingError: Pixels cannot be made, or not of the promised size.
    """
    with translating(Stage.PROCESS):
        for step in plan.steps:
            image = _stepped(image, step, plan)
        finished = to_storable(image, codec(plan.target).max_bits)
        _check(finished, plan)
        return finished


def cut_of(image: pyvips.Image) -> tuple[int, int]:
    """Return the left and top of what an attentive crop has cut, as the image still knows it."""
    return int(image.get(_CUT_LEFT)), int(image.get(_CUT_TOP))


def _stepped(image: pyvips.Image, step: Step, plan: Plan) -> pyvips.Image:  # noqa: PLR0911 - one a step
    match step:
        case Scale():
            return resampled(image, step, is_narrow=plan.is_narrow)
        case Orient():
            return _oriented(image, step.orientation, is_lean=plan.is_lean)
        case ToSrgb():
            return in_srgb(image)
        case ToP3():
            return in_p3(image)
        case Crop():
            return by_page(
                image,
                lambda page: page.crop(step.left_px, step.top_px, step.width_px, step.height_px),
            )
        case SmartCrop():
            return _smart_cropped(image, step, is_lean=plan.is_lean)
        case Pad():
            return _padded(image, step)
        case Flatten():
            return _flattened(image, step.background)
        case _:
            assert_never(step)


def _oriented(image: pyvips.Image, orientation: int, *, is_lean: bool) -> pyvips.Image:
    ready = image if orientation in _IN_LINE_ORDER else _random_access(image, is_lean=is_lean)
    upright = by_page(ready, lambda page: turned(page, orientation)).copy()
    for field in _ORIENTATION_FIELDS:
        upright.remove(field)
    return upright


def turned(page: pyvips.Image, orientation: int) -> pyvips.Image:  # noqa: PLR0911 - one a value
    """Turn upright, EXIF 2.32 tag 274: each value names where the first row and column lie."""
    match orientation:
        case 2:
            return page.fliphor()
        case 3:
            return page.rot180()
        case 4:
            return page.flipver()
        case 5:
            return page.rot90().fliphor()
        case 6:
            return page.rot90()
        case 7:
            return page.rot270().fliphor()
        case 8:
            return page.rot270()
        case _:
            return page


def _random_access(image: pyvips.Image, *, is_lean: bool) -> pyvips.Image:
    """Hold the image whole: in memory, or in a temporary file where memory is what lacks."""
    if not is_lean:
        return image.copy_memory()
    held = pyvips.Image.new_temp_file("%s.v")
    image.write(held)
    return held


def _smart_cropped(image: pyvips.Image, step: SmartCrop, *, is_lean: bool) -> pyvips.Image:
    """Cut what is worth seeing of the first page out of every page."""
    ready = _random_access(image, is_lean=is_lean)
    seen = first_page(ready).smartcrop(step.width_px, step.height_px, interesting=str(step.gravity))
    left_px, top_px = -seen.xoffset, -seen.yoffset
    cut = by_page(ready, lambda page: page.crop(left_px, top_px, step.width_px, step.height_px))
    known = cut.copy()
    known.set_type(pyvips.GValue.gint_type, _CUT_LEFT, left_px)
    known.set_type(pyvips.GValue.gint_type, _CUT_TOP, top_px)
    return known


def _padded(image: pyvips.Image, step: Pad) -> pyvips.Image:
    known = to_storable(image, max_bits=16)
    if step.is_transparent:
        ready = known if known.hasalpha() else known.addalpha()
        fill = [0.0] * ready.bands
    else:
        ready = ready_for_background(known, step.background)
        fill = background_of(ready, step.background)
        if ready.hasalpha():
            fill.append(65535.0 if ready.format == "ushort" else 255.0)
    return by_page(
        ready,
        lambda page: page.embed(
            step.left_px,
            step.top_px,
            step.width_px,
            step.height_px,
            extend="background",
            background=fill,
        ),
    )


def _flattened(image: pyvips.Image, background: str) -> pyvips.Image:
    if not image.hasalpha():
        return image
    ready = ready_for_background(to_storable(image, max_bits=16), background)
    return ready.flatten(background=background_of(ready, background))


def _check(image: pyvips.Image, plan: Plan) -> None:
    promised = (plan.width_px, plan.height_px * plan.pages)
    if (image.width, image.height) != promised:
        raise imaging_error(
            FailureKind.CORRUPT,
            Stage.PROCESS,
            f"expected {promised[0]}x{promised[1]} px as the header promised, "
            f"got {image.width}x{image.height}",
        )

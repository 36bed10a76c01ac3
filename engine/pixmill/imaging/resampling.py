"""Resample pages to a size: alpha premultiplied, in linear light where that is wanted.

Must not choose sizes, nor convert colours for good: what comes in goes out in its own space.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

import pyvips

from pixmill.imaging import icc
from pixmill.imaging.colour import to_storable
from pixmill.imaging.pages import by_page, page_height
from pixmill.vocabulary import Kernel

if TYPE_CHECKING:
    from collections.abc import Callable

    from pixmill.plan import Scale

    _Sized = Callable[[pyvips.Image], pyvips.Image]

__all__ = ["resampled"]

_PROFILE: Final = "icc-profile-data"
_HALF: Final = 0.5
_GAP: Final = 2.0
"""How much of a reduction is left to the kernel after whole pixels are averaged: `resize`'s own."""
_DEPTHS: Final = {"uchar": 8, "ushort": 16}
_STEPS_OF_ALPHA: Final = {"uchar": 255.0, "ushort": 65535.0}


def resampled(image: pyvips.Image, step: Scale, *, is_narrow: bool = False) -> pyvips.Image:
    """Resample exactly; libvips rounds the size, which hits it whatever the factor (tested).

    Args:
        image: Pages below each other.
        step: The size, the kernel, and whether light is averaged.
        is_narrow: Whether to scale across before down, which holds less and costs more CPU.
    """
    if (image.width, page_height(image)) == (step.width_px, step.height_px):
        return image

    def sized(page: pyvips.Image) -> pyvips.Image:
        return _resized(page, step, is_narrow=is_narrow)

    if step.is_linear:
        return by_page(to_storable(image, max_bits=16), lambda page: _in_linear_light(page, sized))
    if not image.hasalpha() or step.kernel is Kernel.NEAREST:
        return by_page(image, sized)

    def clear_of_fringe(page: pyvips.Image) -> pyvips.Image:
        small = sized(page.premultiply()).unpremultiply()
        return (small + _HALF).cast(page.format).copy(interpretation=page.interpretation)

    # the top of an alpha band depends on the interpretation, and TIFF may name a wrong one
    return by_page(to_storable(image, max_bits=16), clear_of_fringe)


def _resized(page: pyvips.Image, step: Scale, *, is_narrow: bool) -> pyvips.Image:
    if is_narrow and page.width >= step.width_px and page.height >= step.height_px:
        return _narrowed(page, step)
    across, down = step.width_px / page.width, step.height_px / page.height
    if step.kernel is Kernel.NEAREST:
        return page.resize(across, vscale=down, kernel=str(step.kernel))
    fewer = page.resize(min(1.0, across), vscale=min(1.0, down), kernel=str(step.kernel))
    return _enlarged(fewer, step) if max(across, down) > 1 else fewer


def _narrowed(page: pyvips.Image, step: Scale) -> pyvips.Image:
    """Scale across before down; `resize` does it the other way, and holds lines of full width.

    Measured on 40,000 x 40,000 px to 2,048: 70 MB rather than 158, and no nearer to or farther
    from a float64 reference than 0.1 dB.
    """
    across, down = page.width / step.width_px, page.height / step.height_px
    narrow = page.reduceh(across, kernel=str(step.kernel), gap=_GAP)
    return narrow.reducev(down, kernel=str(step.kernel), gap=_GAP)


def _enlarged(page: pyvips.Image, step: Scale) -> pyvips.Image:
    """Scale up as `resize` does, bilinear or bicubic, with the centres of pixels on each other.

    `resize` of libvips 8.18 moves what it enlarges right and down by half of a new pixel.
    """
    across, down = step.width_px / page.width, step.height_px / page.height
    smooth = "bilinear" if step.kernel is Kernel.LINEAR else "bicubic"
    return page.affine(
        [across, 0, 0, down],
        interpolate=pyvips.Interpolate.new(smooth),
        oarea=[0, 0, step.width_px, step.height_px],
        idx=_HALF - _HALF / across,
        idy=_HALF - _HALF / down,
        extend="copy",
        premultiplied=True,
    )


def _in_linear_light(page: pyvips.Image, sized: _Sized) -> pyvips.Image:
    """Average light: by sRGB's curve, which is P3's too, or as the profile that stays tells.

    CIE XYZ is linear in light, whatever the profile's curves are; there and back is within 4 of
    255 for every colour of Adobe RGB, 0.05 on the mean.
    """
    if _has_own_curves(page):
        with contextlib.suppress(pyvips.Error):  # a broken profile says nothing
            light = page.icc_import(pcs="xyz", embedded=True, intent="relative")
            averaged = _averaged(light, sized, top=255.0, steps=_STEPS_OF_ALPHA[page.format])
            return averaged.icc_export(intent="relative", depth=_DEPTHS[page.format])
    light = page.colourspace("scrgb")
    averaged = _averaged(light, sized, top=1.0, steps=_STEPS_OF_ALPHA[page.format])
    return averaged.colourspace(page.interpretation)


def _averaged(light: pyvips.Image, sized: _Sized, *, top: float, steps: float) -> pyvips.Image:
    """Resample floats; alpha reaches `top`, and is cut to so many steps after this."""
    if not light.hasalpha():
        return sized(light)
    small = sized(light.premultiply(max_alpha=top)).unpremultiply(max_alpha=top)
    halves = [0.0] * light.bands
    halves[-1] = _HALF * top / steps
    return (small + halves).copy(interpretation=light.interpretation)


def _has_own_curves(page: pyvips.Image) -> bool:
    profile = bytes(page.get(_PROFILE)) if page.get_typeof(_PROFILE) else b""
    space = "GRAY" if page.interpretation in {"b-w", "grey16"} else "RGB"
    is_told = icc.colour_space(profile) == space
    return is_told and not (icc.is_srgb(profile) or icc.is_p3(profile))

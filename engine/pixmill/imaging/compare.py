"""Measure how far two images of one size are apart.

Must not judge whether that is near enough: strategies do.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from pixmill.imaging.colour import to_eight_bits
from pixmill.imaging.errors import imaging_error, translating
from pixmill.model import FailureKind, Stage

if TYPE_CHECKING:
    import pyvips

__all__ = ["is_identical", "psnr"]

_PEAK: Final = 255.0


def psnr(a: pyvips.Image, b: pyvips.Image) -> float:
    """Return the peak signal-to-noise ratio in dB over all bands, infinite for equal images.

    Colours count as far as they are opaque, so what is hidden under transparency is no error.

    Args:
        a: An image in memory.
        b: Another of the same width and height; bands and depth may differ.

    Raises:
        ImagingError: Sizes differ, or an image cannot be read.
    """
    with translating(Stage.PROCESS):
        has_alpha = a.hasalpha() or b.hasalpha()
        first, second = (_alike(image, has_alpha=has_alpha) for image in (a, b))
        if (a.width, a.height) != (b.width, b.height):
            raise imaging_error(
                FailureKind.CORRUPT,
                Stage.PROCESS,
                f"expected {a.width}x{a.height} px, got {b.width}x{b.height}",
            )
        difference = first - second
        error = float((difference * difference).avg())
    return math.inf if error == 0.0 else 10.0 * math.log10(_PEAK * _PEAK / error)


def is_identical(a: pyvips.Image, b: pyvips.Image) -> bool:
    """Return whether two images show the same in eight bits, hidden colours left out.

    Raises:
        ImagingError: An image cannot be read.
    """
    return (a.width, a.height) == (b.width, b.height) and psnr(a, b) == math.inf


def _alike(image: pyvips.Image, *, has_alpha: bool) -> pyvips.Image:
    """Return eight-bit RGB, or RGBA with colours weighted by alpha."""
    colours = to_eight_bits(image).colourspace("srgb")
    if not has_alpha:
        return colours
    return (colours if colours.hasalpha() else colours.addalpha()).premultiply()

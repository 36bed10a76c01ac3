"""Where pixels go: fit, gravity and shrink, integers in and a placement out.

Must not know formats or images; every function is exact arithmetic on sizes in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pixmill.vocabulary import Fit, Gravity

if TYPE_CHECKING:
    from pixmill.units import Geometry

__all__ = [
    "Box",
    "Placement",
    "Size",
    "cropped",
    "fitted",
    "fitted_size",
    "offset",
    "oriented",
    "placed",
    "shrink_on_load",
]

_SWAPS_EDGES = 5
_EAST = {Gravity.EAST, Gravity.NORTHEAST, Gravity.SOUTHEAST}
_WEST = {Gravity.WEST, Gravity.NORTHWEST, Gravity.SOUTHWEST}
_NORTH = {Gravity.NORTH, Gravity.NORTHEAST, Gravity.NORTHWEST}
_SOUTH = {Gravity.SOUTH, Gravity.SOUTHEAST, Gravity.SOUTHWEST}


@dataclass(frozen=True, slots=True)
class Size:
    """A width and a height in pixels."""

    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels, by its top left corner and its size."""

    left_px: int
    top_px: int
    size: Size


@dataclass(frozen=True, slots=True)
class Placement:
    """How an image meets what was asked for.

    Attributes:
        scaled: Size the whole image is resampled to.
        result: Size of the result; smaller than `scaled` where it is cropped, larger where padded.
    """

    scaled: Size
    result: Size

    @property
    def is_cropped(self) -> bool:
        """Whether the scaled image reaches beyond the result."""
        return self.result.width_px < self.scaled.width_px or (
            self.result.height_px < self.scaled.height_px
        )

    @property
    def is_padded(self) -> bool:
        """Whether the result reaches beyond the scaled image."""
        return self.result.width_px > self.scaled.width_px or (
            self.result.height_px > self.scaled.height_px
        )


def oriented(size: Size, orientation: int) -> Size:
    """Return the size as displayed; EXIF orientations 5 to 8 swap the edges."""
    if orientation < _SWAPS_EDGES:
        return size
    return Size(size.height_px, size.width_px)


def placed(source: Size, wanted: Geometry, fit: Fit, *, can_enlarge: bool) -> Placement:
    """Return how an image of this size meets the wanted geometry, as CSS object-fit and sharp do.

    Without `can_enlarge` no edge is ever scaled up: `cover` and `fill` then give as much of the
    box as the image has, and `contain` pads around the image at its own size.
    """
    box = _box(source, wanted)
    if fit is Fit.FILL:
        scaled = box if can_enlarge else _bounded(box, source)
        return Placement(scaled, scaled)
    if wanted.width_px is None or wanted.height_px is None:
        # in proportion already: rounding its other edge must not cost the one asked for a pixel
        is_larger = box.width_px > source.width_px or box.height_px > source.height_px
        scaled = source if is_larger and not can_enlarge else box
        return Placement(scaled, scaled)
    ratios = (box.width_px / source.width_px, box.height_px / source.height_px)
    scale = max(ratios) if fit in {Fit.COVER, Fit.OUTSIDE} else min(ratios)
    if not can_enlarge:
        scale = min(scale, 1.0)
    is_within = fit in {Fit.INSIDE, Fit.CONTAIN}
    scaled = _scaled(source, scale, box if is_within else None)
    if fit is Fit.COVER:
        return Placement(scaled, _bounded(box, scaled))
    if fit is Fit.CONTAIN:
        return Placement(scaled, box)
    return Placement(scaled, scaled)


def cropped(source: Size, wanted: Geometry) -> Placement:
    """Return the cut of an image at its own scale: as much of the box as the image has."""
    return Placement(source, _bounded(_box(source, wanted), source))


def fitted(placement: Placement, longest_px: int) -> Placement:
    """Return a placement scaled down until no edge of its result is longer than this."""
    result, scaled = placement.result, placement.scaled
    scale = longest_px / max(result.width_px, result.height_px)
    if scale >= 1:
        return placement
    return Placement(_scaled(scaled, scale, None), _scaled(result, scale, None))


def fitted_size(size: Size, longest_px: int) -> Size:
    """Return a size scaled until its longer edge is this long."""
    return _scaled(size, longest_px / max(size.width_px, size.height_px), None)


def offset(outer: Size, inner: Size, gravity: Gravity) -> Box:
    """Return where the smaller of two rectangles sits in the larger, edge by edge.

    Works both ways: for a crop `inner` is the result, for padding it is the image.
    """
    spare_x_px = outer.width_px - inner.width_px
    spare_y_px = outer.height_px - inner.height_px
    left_px = 0 if gravity in _WEST else spare_x_px if gravity in _EAST else spare_x_px // 2
    top_px = 0 if gravity in _NORTH else spare_y_px if gravity in _SOUTH else spare_y_px // 2
    return Box(left_px, top_px, inner)


def shrink_on_load(source: Size, scaled: Size, left: int = 2) -> int:
    """Return the JPEG DCT scaling, 1, 2, 4 or 8, that leaves a factor to the resampler.

    The rule is libvips' own (`thumbnail.c`): a box filter by the codec costs sharpness, so the
    last halving is the resampler's. Of 14 photographs at 1920, 1280, 800 and 400 px, sharp's rule,
    which leaves a factor of one, is 6.4, 5.1, 6.0 and 8.7 dB farther from a float64 reduction for
    0.80 (1920 px) and 0.91 (400 px) of the CPU of decoding, resizing and encoding; eighths that
    leave 1.5 are 2.6, 4.5, 1.4 and 4.2 dB farther.

    Args:
        source: The size that is stored.
        scaled: The size that is wanted.
        left: The factor. Default: libvips'.
    """
    shrink = min(source.width_px / scaled.width_px, source.height_px / scaled.height_px)
    for factor in (8, 4, 2):
        if shrink >= left * factor:
            return factor
    return 1


def _box(source: Size, wanted: Geometry) -> Size:
    if wanted.scale is not None:
        return _scaled(source, wanted.scale, None)
    if wanted.width_px is None:
        height_px = wanted.height_px or source.height_px
        return Size(_rounded(source.width_px * height_px, source.height_px), height_px)
    if wanted.height_px is None:
        return Size(wanted.width_px, _rounded(source.height_px * wanted.width_px, source.width_px))
    return Size(wanted.width_px, wanted.height_px)


def _scaled(source: Size, scale: float, within: Size | None) -> Size:
    width_px = max(1, round(source.width_px * scale))
    height_px = max(1, round(source.height_px * scale))
    return _bounded(Size(width_px, height_px), within) if within else Size(width_px, height_px)


def _bounded(size: Size, limit: Size) -> Size:
    return Size(min(size.width_px, limit.width_px), min(size.height_px, limit.height_px))


def _rounded(numerator: int, denominator: int) -> int:
    return max(1, (2 * numerator + denominator) // (2 * denominator))

"""What was resolved for one image: the steps, the candidates' frame, and what they cost.

Values alone: `planning` makes them, `imaging` carries them out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixmill.header import GainMap, Header
    from pixmill.vocabulary import Gravity, Kernel

__all__ = [
    "Crop",
    "Flatten",
    "Load",
    "Orient",
    "Pad",
    "Plan",
    "Scale",
    "SmartCrop",
    "Step",
    "ToP3",
    "ToSrgb",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How to open the source.

    Attributes:
        shrink: JPEG DCT scaling, 1, 2, 4 or 8.
        scale: Decoder scaling for WebP and SVG, a factor that multiplies; 1.0 for none.
        pages: Pages to load: 1, or all of them stacked.
        page: Index of the one page that was asked for; `None` where none was, and a single page
            is the one that the file itself puts first.
    """

    shrink: int = 1
    scale: float = 1.0
    pages: int = 1
    page: int | None = None


@dataclass(frozen=True, slots=True)
class Scale:
    """Resample every page to exactly this size, in stored orientation, alpha premultiplied.

    In linear light if that is wanted, which the image's colours must be sRGB's, P3's or told by
    a profile for.
    """

    width_px: int
    height_px: int
    kernel: Kernel
    is_linear: bool = False


@dataclass(frozen=True, slots=True)
class Orient:
    """Turn and mirror the pixels as EXIF orientation 2 to 8 says, and reset the tag."""

    orientation: int


@dataclass(frozen=True, slots=True)
class ToSrgb:
    """Convert to sRGB (grey stays grey) with the embedded profile, or the default for its space."""


@dataclass(frozen=True, slots=True)
class ToP3:
    """Convert to Display P3 likewise, and embed a profile that says so; grey turns to RGB."""


@dataclass(frozen=True, slots=True)
class Crop:
    """Cut a rectangle out of every page, in display orientation."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int


@dataclass(frozen=True, slots=True)
class SmartCrop:
    """Cut out the part of this size that `attention` or `entropy` finds."""

    width_px: int
    height_px: int
    gravity: Gravity


@dataclass(frozen=True, slots=True)
class Pad:
    """Place every page on a canvas of the background colour, or of transparency."""

    left_px: int
    top_px: int
    width_px: int
    height_px: int
    background: str
    is_transparent: bool


@dataclass(frozen=True, slots=True)
class Flatten:
    """Put transparency on a background, `#rrggbb`."""

    background: str


Step = Scale | Orient | ToSrgb | ToP3 | Crop | SmartCrop | Pad | Flatten


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to be done with one image.

    Attributes:
        header: The facts it was made from.
        target: Codec to write.
        load: How to open the source.
        steps: What is done to the pixels, in order.
        width_px: Width of the result.
        height_px: Height of one page of the result.
        has_alpha: Whether the result carries alpha.
        pages: Pages of the result.
        is_demanded: Whether the recipe demands a change of size, format, orientation or colour,
            so that the source's own bytes would not do.
        is_rewrap_demanded: Whether the source carries metadata that must go.
        is_pinned: Whether the finished pixels are held in memory for several encodes.
        is_lean: Whether encoders must stream because holding the image whole does not fit.
        is_narrow: Whether images are scaled across before they are scaled down, so that what waits
            between the two is as narrow as the result.
        is_frugal: Whether encoders make no copies of the pixels for speed: the same bytes for less
            memory and more CPU.
        has_lossless: Whether an encoding without loss, or nearly, may be tried where a score is
            out of reach otherwise.
        is_thrifty: Whether nothing is kept of the pixels while encodings are scored against them.
        has_palettes: Whether colours may be put into a palette, which holds a count of them all.
        is_packed: Whether the result is packed again, which holds the pixels several times.
        is_transformed: Whether the source's coded pixels are turned, cut or packed without decoding
            them, where that can be done.
        is_light: Whether Pillow decodes it, and encodes what it can, in place of a pipeline.
        cost_bytes: Memory that the whole plan holds at its peak, beyond the worker's base.
        gain_map: The source's gain map where it goes along; `None` where there is none, or it
            cannot.
        notes: What the user should know, such as dropped frames.
        losses: Likewise, of what a new encoding loses and the source's own bytes have.
    """

    header: Header
    target: str
    load: Load
    steps: tuple[Step, ...]
    width_px: int
    height_px: int
    has_alpha: bool
    pages: int
    is_demanded: bool
    is_rewrap_demanded: bool
    is_pinned: bool
    is_lean: bool
    is_packed: bool
    cost_bytes: int
    is_narrow: bool = False
    is_frugal: bool = False
    has_lossless: bool = False
    has_palettes: bool = True
    is_thrifty: bool = False
    is_transformed: bool = False
    is_light: bool = False
    gain_map: GainMap | None = None
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()

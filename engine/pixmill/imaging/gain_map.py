"""Do to a gain map what was done to its picture, so that each gain stays where it belongs.

Must not decide whether the map goes along: `planning` has; nor know how a file holds it: the
codec's record does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, assert_never

import pyvips

from pixmill.codecs.spec import Encoding
from pixmill.imaging import encode
from pixmill.imaging.errors import imaging_error, translating
from pixmill.imaging.load import vips_opened
from pixmill.imaging.sources import reading
from pixmill.imaging.steps import cut_of, turned
from pixmill.model import FailureKind, Stage
from pixmill.plan import Crop, Flatten, Orient, Pad, Scale, SmartCrop, ToP3, ToSrgb
from pixmill.registry import codec

if TYPE_CHECKING:
    from pixmill.header import GainMap
    from pixmill.imaging.sources import Source
    from pixmill.plan import Plan, Step
    from pixmill.vocabulary import Effort

__all__ = ["CarriedMap", "carried"]

_HIGHEST_QUALITY: Final = 85
"""What libultrahdr writes its own at; a source's lower one is not exceeded."""

_FROM_FIRST_TURNED: Final = 5
"""The first EXIF orientation that swaps width and height."""


@dataclass(frozen=True, slots=True)
class CarriedMap:
    """A gain map on its way from one file to the next.

    Attributes:
        target: Codec of the file that it is to be attached to.
        content: The map as it will be attached, encoded.
        source: The map as it was found, which says how it is applied.
    """

    target: str
    content: bytes
    source: bytes

    def attached(self, image: bytes) -> bytes:
        """Return an encoded image with the map attached.

        Raises:
            ImagingError: It cannot be.
        """
        attach = codec(self.target).with_gain_map
        if attach is None:
            raise imaging_error(FailureKind.UNSUPPORTED, Stage.ENCODE, "it stores no gain map")
        with translating(Stage.ENCODE):
            return attach(image, self.content, self.source)


def carried(
    source: Source, plan: Plan, finished: pyvips.Image, *, effort: Effort
) -> CarriedMap | None:
    """Return the source's gain map, shaped as its picture was; `None` where none is to be kept.

    It is left byte for byte where nothing was scaled, turned or cut.

    Args:
        source: What the picture came from.
        plan: What was done to it.
        finished: What came of it, which knows where an attentive crop has cut.
        effort: CPU to spend on it.

    Raises:
        ImagingError: The map is damaged.
    """
    found = plan.gain_map
    if found is None:
        return None
    with reading(source) as file:
        file.seek(found.offset)
        own = file.read(found.size_bytes)
    if not any(_moves(step) for step in plan.steps):
        return CarriedMap(plan.target, own, own)
    quality = min(_HIGHEST_QUALITY, found.quality or _HIGHEST_QUALITY)
    encoding = Encoding(codec=plan.target, quality=quality, effort=effort, is_lean=plan.is_lean)
    with translating(Stage.PROCESS):
        shaped = _without_metadata(_shaped(own, found, plan, finished).copy_memory())
    return CarriedMap(plan.target, encode.encoded(shaped, encoding), own)


def _moves(step: Step) -> bool:
    return not isinstance(step, (ToSrgb, ToP3, Flatten))


def _shaped(own: bytes, found: GainMap, plan: Plan, finished: pyvips.Image) -> pyvips.Image:
    """Follow the picture's size from step to step: the map's scale to it need not be whole."""
    spec = codec(plan.header.codec)
    is_first_scaled = isinstance(plan.steps[0], Scale) and plan.load.shrink > 1
    shrink = {"shrink": plan.load.shrink} if is_first_scaled else {}
    # libjpeg warns where data ends early, and goes on in grey, which would dim half a picture
    image = vips_opened(own, spec, {**shrink, "fail_on": "warning"}).copy_memory()
    width_px, height_px = plan.header.width_px, plan.header.height_px
    for step in plan.steps:
        match step:
            case Scale():
                across, down = step.width_px / width_px, step.height_px / height_px
                image = _scaled(image, found, across=across, down=down)
                width_px, height_px = step.width_px, step.height_px
            case Orient():
                image = turned(image, step.orientation)
                if step.orientation >= _FROM_FIRST_TURNED:
                    width_px, height_px = height_px, width_px
            case Crop():
                image = _cut(image, step, width_px, height_px)
                width_px, height_px = step.width_px, step.height_px
            case SmartCrop():
                left_px, top_px = cut_of(finished)
                crop = Crop(left_px, top_px, step.width_px, step.height_px)
                image = _cut(image, crop, width_px, height_px)
                width_px, height_px = step.width_px, step.height_px
            case Pad() | ToSrgb() | ToP3() | Flatten():
                pass
            case _:
                assert_never(step)
    return image


def _scaled(image: pyvips.Image, found: GainMap, *, across: float, down: float) -> pyvips.Image:
    """Scale the map as the picture was, never up: it may have been opened smaller already."""
    width_px = min(image.width, max(1, round(found.width_px * across)))
    height_px = min(image.height, max(1, round(found.height_px * down)))
    if (image.width, image.height) == (width_px, height_px):
        return image
    return image.resize(width_px / image.width, vscale=height_px / image.height)


def _cut(image: pyvips.Image, crop: Crop, width_px: int, height_px: int) -> pyvips.Image:
    """Cut what lies under a crop of the picture, between the map's pixels where need be."""
    across, down = image.width / width_px, image.height / height_px
    left, wide = crop.left_px * across, crop.width_px * across
    top, high = crop.top_px * down, crop.height_px * down
    wide_px, high_px = max(1, round(wide)), max(1, round(high))
    right, below = wide_px / wide, high_px / high
    # the middle of output pixel 0 lies half an output pixel inside the crop
    return image.affine(
        [right, 0, 0, below],
        oarea=[0, 0, wide_px, high_px],
        odx=right / 2 - 0.5 - right * left,
        ody=below / 2 - 0.5 - below * top,
        interpolate=pyvips.Interpolate.new("bilinear"),
        extend="copy",
    )


def _without_metadata(image: pyvips.Image) -> pyvips.Image:
    """Leave the profile alone, by which three bands of gains may be meant in other primaries."""
    bare = image.copy()
    for field in image.get_fields():
        if field.startswith(("exif-", "xmp-", "iptc-", "jpeg-thumbnail")) or "comment" in field:
            bare.remove(field)
    return bare

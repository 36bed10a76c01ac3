"""Decode through Pillow and its likes what libvips cannot, and hand the pixels to libvips.

Must not resize, convert colours or decide anything: it yields what the file holds.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Final, cast

import pyvips
from PIL import Image, ImageFile

from pixmill.codecs.spec import Library
from pixmill.header import Space
from pixmill.imaging.errors import imaging_error
from pixmill.imaging.exif import exif_bytes, with_exif
from pixmill.imaging.heif import opened_heif
from pixmill.imaging.jxl import opened_jxl
from pixmill.imaging.lookalike import Lookalike
from pixmill.imaging.pam import registered
from pixmill.model import FailureKind, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixmill.codecs.spec import CodecSpec

__all__ = ["Form", "form_of", "lenient", "loaded", "opened_by_pillow"]

_OPENERS: Final = {Library.PI_HEIF: opened_heif, Library.PYLIBJXL: opened_jxl}
"""Libraries that are not Pillow, and decode where it does."""

_STRIP_BYTES: Final = 4 << 20
_FULL_16: Final = 65535.0
_BITS_PER_SAMPLE: Final = 258
_PACKED_BITS: Final = 12


@dataclass(frozen=True, slots=True)
class Form:
    """How a Pillow image reaches libvips: the Pillow mode that is copied, and what libvips sees.

    Attributes:
        mode: Pillow mode the pixels are copied in.
        bands: libvips bands.
        bits: Bits a band.
        interpretation: libvips interpretation.
        space: The family of its colours.
    """

    mode: str
    bands: int
    bits: int
    interpretation: str
    space: Space

    @property
    def has_alpha(self) -> bool:
        """Whether the last band is alpha."""
        return self.mode in ("LA", "RGBA")


_GREY: Final = Form("L", 1, 8, "b-w", Space.GREY)
_GREY_ALPHA: Final = Form("LA", 2, 8, "b-w", Space.GREY)
_GREY_16: Final = Form("I;16", 1, 16, "grey16", Space.GREY)
_RGB: Final = Form("RGB", 3, 8, "srgb", Space.RGB)
_RGBA: Final = Form("RGBA", 4, 8, "srgb", Space.RGB)
_CMYK: Final = Form("CMYK", 4, 8, "cmyk", Space.CMYK)
_FORMS: Final = {
    "1": _GREY,
    "L": _GREY,
    "LA": _GREY_ALPHA,
    "La": _GREY_ALPHA,
    "I": _GREY_16,
    "I;16": _GREY_16,
    "I;16L": _GREY_16,
    "I;16B": _GREY_16,
    "I;16N": _GREY_16,
    "F": _GREY,
    "P": _RGB,
    "PA": _RGBA,
    "RGB": _RGB,
    "RGBX": _RGB,
    "RGBA": _RGBA,
    "RGBa": _RGBA,
    "CMYK": _CMYK,
    "YCbCr": _RGB,
    "HSV": _RGB,
    "LAB": _RGB,
}


registered()


@contextmanager
def opened_by_pillow(file: BinaryIO, spec: CodecSpec) -> Iterator[Image.Image]:
    """Open an image's header, with Pillow or alike; pixels are decoded when they are asked for.

    Warnings are shown, unless `complaints_of_pillow` is around it.
    """
    if opened := _OPENERS.get(spec.reader):
        yield cast("Image.Image", opened(file))
        return
    with Image.open(file, formats=[spec.pillow_format]) as image:
        yield image


@contextmanager
def lenient() -> Iterator[None]:
    """Let Pillow decode what there is of files that are cut off; a setting of its whole process."""
    before, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, True
    try:
        yield
    finally:
        ImageFile.LOAD_TRUNCATED_IMAGES = before


def form_of(image: Image.Image) -> Form:
    """Return how this image's pixels reach libvips."""
    form = _FORMS.get(image.mode)
    if form is None:
        raise imaging_error(
            FailureKind.UNSUPPORTED, Stage.READ, f"unsupported Pillow mode {image.mode}"
        )
    if "transparency" in image.info or _has_alpha_palette(image):
        return _GREY_ALPHA if form is _GREY else _RGBA if form is _RGB else form
    return form


def loaded(image: Image.Image, pages: int, *, page: int | None = None) -> pyvips.Image:
    """Decode an opened image into libvips memory, several frames as one tall image.

    Args:
        image: From `opened_by_pillow`.
        pages: 1 for the image alone, more for all frames of an animation.
        page: Index of the frame that the image alone is. Default: what the file shows first.
    """
    # an APNG whose default image is no frame of the animation counts it all the same
    first = 1 if getattr(image, "default_image", False) else 0
    if pages == 1:
        if page is not None:
            image.seek(first + page)
        pixels = _frame(image, form_of(image))
        return _with_metadata(pixels, image)
    frames, delays_ms = [], []
    form = _RGBA if form_of(image).has_alpha else _RGB
    for index in range(first, getattr(image, "n_frames", 1)):
        image.seek(index)
        frames.append(_frame(image, form))
        delays_ms.append(round(float(image.info.get("duration", 0) or 0)))
    roll = pyvips.Image.arrayjoin(frames, across=1).copy()
    roll.set_type(pyvips.GValue.gint_type, "page-height", frames[0].height)
    roll.set_type(pyvips.GValue.gint_type, "n-pages", len(frames))
    roll.set_type(pyvips.GValue.array_int_type, "delay", delays_ms)
    roll.set_type(pyvips.GValue.gint_type, "loop", int(image.info.get("loop", 0) or 0))
    return _with_metadata(roll, image)


def _has_alpha_palette(image: Image.Image) -> bool:
    palette = getattr(image, "palette", None)
    return image.mode == "P" and palette is not None and palette.mode == "RGBA"


def _frame(image: Image.Image, form: Form) -> pyvips.Image:
    if isinstance(image, Lookalike):
        return image.pixels()
    image.load()
    match image.mode:
        case "F":
            return _from_float(image)
        case "I" | "I;16B" | "I;16N" | "I;16L":
            shown: Image.Image = image if image.mode == "I" else image.convert("I")
            wide = pyvips.Image.new_from_memory(shown.tobytes(), *shown.size, 1, "int")
            return wide.cast("ushort").copy(interpretation="grey16")
        case "I;16" if _stored_bits(image) == _PACKED_BITS:
            packed = _copied(image, form)
            return (packed * (_FULL_16 / 4095)).rint().cast("ushort").copy(interpretation="grey16")
        case "LAB":
            shown = _lab_to_rgb(image)
        case mode:
            shown = image if mode == form.mode else image.convert(form.mode)
    return _copied(shown, form)


def _stored_bits(image: Image.Image) -> int:
    """Return the bits a band of a TIFF, which Pillow does not spread over its own depth, else 0."""
    tags = getattr(image, "tag_v2", {})
    return int(tags.get(_BITS_PER_SAMPLE, (0,))[0])


def _copied(image: Image.Image, form: Form) -> pyvips.Image:
    """Copy strip by strip: `tobytes` on the whole would hold the pixels twice while it joins."""
    width_px, height_px = image.size
    row_bytes = width_px * form.bands * form.bits // 8
    rows = max(1, _STRIP_BYTES // max(1, row_bytes))
    pixels = bytearray(row_bytes * height_px)
    for top in range(0, height_px, rows):
        bottom = min(height_px, top + rows)
        strip = image.crop((0, top, width_px, bottom)).tobytes()
        pixels[top * row_bytes : bottom * row_bytes] = strip
    band_format = "ushort" if form.bits > 8 else "uchar"  # noqa: PLR2004 - bits of a byte
    made = pyvips.Image.new_from_memory(pixels, width_px, height_px, form.bands, band_format)
    return made.copy(interpretation=form.interpretation)


def _from_float(image: Image.Image) -> pyvips.Image:
    """Show floating grey: up to 1.0 it is a fraction of white, above it is of 255 or 65535."""
    grey = pyvips.Image.new_from_memory(image.tobytes(), *image.size, 1, "float")
    peak = float(grey.max())
    white = 1.0 if peak <= 1.0 else 255.0 if peak <= 255.0 else _FULL_16  # noqa: PLR2004 - ditto
    return (grey * (255.0 / white)).rint().cast("uchar").copy(interpretation="b-w")


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms  # noqa: PLC0415 - 3 ms of every run, for some PSDs

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
    if converted is None:
        raise ValueError("lab image could not be converted")
    return converted


def _with_metadata(pixels: pyvips.Image, image: Image.Image) -> pyvips.Image:
    tagged = pixels.copy()
    blobs = {
        "icc-profile-data": image.info.get("icc_profile"),
        "xmp-data": image.info.get("xmp"),
    }
    for name, blob in blobs.items():
        if isinstance(blob, bytes) and blob:
            tagged.set_type(pyvips.GValue.blob_type, name, blob)
    exif = exif_bytes(image)
    return with_exif(tagged, exif) if exif else tagged

"""Leave on an image exactly the metadata that the policy allows, for a saver to write.

Must not encode. libvips writes what an image carries and a `keep` flag admits; so the fields are
pruned here, and the flags follow from what is left. A flag without a field is never set: libvips
would add an EXIF block of some 190 bytes to a file that had none.
"""

from __future__ import annotations

import io
import re
from typing import Final

import pyvips
from PIL import Image

from pixmill.header import MAX_METADATA_BYTES, Metadata
from pixmill.imaging import icc
from pixmill.imaging.colour import CONVERTED
from pixmill.imaging.errors import translating
from pixmill.imaging.notes import noted
from pixmill.model import Stage
from pixmill.units import format_size
from pixmill.vocabulary import Keep

__all__ = [
    "keep_flags",
    "kinds_left",
    "orientation_of",
    "profile_of",
    "valid_profile",
    "with_metadata",
    "without_profile",
    "written_exif",
]

_EXIF: Final = "exif-data"
_XMP: Final = "xmp-data"
_IPTC: Final = ("iptc-data", "photoshop-data")
_ICC: Final = "icc-profile-data"
_TITLES: Final = {_XMP: "XMP", **dict.fromkeys(_IPTC, "IPTC")}
_KEEPING_EXIF: Final = frozenset({Keep.ALL, Keep.EXIF, Keep.NO_GPS, Keep.COPYRIGHT})
_MAX_EXIF_BYTES: Final = 65_533
"""Of a JPEG's segment; of a longer block libexif, which libvips reads EXIF with, reads nothing."""

_ALWAYS_DROPPED: Final = (
    "jpeg-thumbnail-data",
    "gainmap-data",
    "gainmap",
    "heif-thumbnail-data",
)
_COPYRIGHT_FIELDS: Final = frozenset({"exif-ifd0-Copyright", "exif-ifd0-Artist"})
_GPS_IFD: Final = "exif-ifd3-"
_THUMBNAIL_IFD: Final = "exif-ifd1-"
_STALE_FIELDS: Final = frozenset({"exif-ifd0-ImageWidth", "exif-ifd0-ImageLength"})
_COLOUR_SPACE: Final = "exif-ifd2-ColorSpace"
_SRGB, _UNCALIBRATED = 1, 65535
_OPAQUE_FIELDS: Final = frozenset(
    {"MakerNote", "UserComment", "XMLPacket", "IPTC/NAA", "ImageResources", "DNGPrivateData"}
)
"""EXIF fields, in any directory, that hold whole blocks of other metadata, or anything."""

_LOCATION_IN_XMP: Final = re.compile(
    rb"gps|location|latitude|longitude|photoshop:(city|state|country)|geo:|countrycode|sublocation|wgs84|\x00",
    re.IGNORECASE,
)
"""A zero byte stands for UTF-16, which the words would not be found in."""

_LOCATION_IN_IPTC: Final = re.compile(rb"\x1c\x02[\x1a\x1b\x5a\x5c\x5f\x64\x65]")
"""Record 2, IIM 4.2: content location 26 and 27, city 90, sublocation 92, state 95, country 100 and
101."""

_GAIN_MAP_IN_XMP: Final = re.compile(rb"hdrgm:|HDRGainMap", re.IGNORECASE)
_ORIENTATION_IN_XMP: Final = re.compile(rb"(tiff:Orientation(?:\s*=\s*[\"']|>)\s*)[2-8]")
_COMMENT: Final = re.compile(r"comment", re.IGNORECASE)
_RAW_PROFILE: Final = re.compile(r"raw profile type|xml:com\.adobe", re.IGNORECASE)

_PROFILE_SPACES: Final = {
    **dict.fromkeys(("srgb", "rgb", "rgb16"), "RGB"),
    **dict.fromkeys(("b-w", "grey16"), "GRAY"),
    "cmyk": "CMYK",
}

_FLAG_EXIF, _FLAG_XMP, _FLAG_IPTC, _FLAG_ICC, _FLAG_OTHER = 1, 2, 4, 8, 16


def with_metadata(
    image: pyvips.Image, keep: frozenset[Keep], *, max_xmp_bytes: int = MAX_METADATA_BYTES
) -> pyvips.Image:
    """Return the image with the metadata that the policy allows and no more.

    An ICC profile whose colours are not sRGB stays whatever the policy: without it they would be
    wrong. One that says sRGB goes, unless all is kept: untagged means sRGB, in 3 kB
    less. An orientation that was not
    applied stays too, alone if need be.

    Args:
        image: From `steps.run_steps`.
        keep: The recipe's policy.
        max_xmp_bytes: Most XMP that will be written; more of it, as more than a megabyte of IPTC
            or a comment and more EXIF than a JPEG stores, is dropped and noted.

    Raises:
        ImagingError: The metadata cannot be read.
    """
    with translating(Stage.PROCESS):
        pruned = image.copy()
        for field in _ALWAYS_DROPPED:
            pruned.remove(field)
        exif_bytes = _length(pruned, _EXIF)
        _prune_exif(pruned, keep)
        _prune_xmp(pruned, keep)
        _prune_iptc(pruned, keep)
        _prune_icc(pruned, keep)
        _tell_colours(pruned)
        _prune_comments(pruned, keep)
        if exif_bytes > _MAX_EXIF_BYTES and keep & _KEEPING_EXIF:
            pruned = noted(pruned, _dropped("EXIF", exif_bytes, _MAX_EXIF_BYTES))
        return _bounded(pruned, max_xmp_bytes)


def _bounded(image: pyvips.Image, max_xmp_bytes: int) -> pyvips.Image:
    """Drop what is larger than its format stores, or than anybody has a use for."""
    for field in (_XMP, *_IPTC, *(name for name in image.get_fields() if _COMMENT.search(name))):
        held_bytes = _length(image, field)
        max_bytes = max_xmp_bytes if field == _XMP else MAX_METADATA_BYTES
        if held_bytes > max_bytes:
            title = _TITLES.get(field, "a comment")
            image = noted(image, _dropped(title, held_bytes, max_bytes))
            image.remove(field)
    return image


def _dropped(title: str, held_bytes: int, max_bytes: int) -> str:
    held, most = format_size(held_bytes), format_size(max_bytes)
    return f"{title} of {held} was dropped: at most {most} can be kept"


def _length(image: pyvips.Image, field: str) -> int:
    return len(image.get(field)) if image.get_typeof(field) else 0


def keep_flags(image: pyvips.Image) -> int:
    """Return the `ForeignKeep` flags for what an image carries."""
    fields = image.get_fields()
    flags = 0
    if any(field.startswith("exif-ifd") for field in fields):
        flags |= _FLAG_EXIF
    if _XMP in fields:
        flags |= _FLAG_XMP
    if any(field in fields for field in _IPTC):
        flags |= _FLAG_IPTC
    if _ICC in fields:
        flags |= _FLAG_ICC
    if any(_COMMENT.search(field) for field in fields):
        flags |= _FLAG_OTHER
    return flags


def written_exif(image: pyvips.Image) -> bytes:
    """Return the EXIF block that libvips would write, `Exif` prefix included, or nothing.

    Its fields say what was left of the block, and only a saver puts them together.

    Args:
        image: In memory, for a pixel of it is saved.
    """
    pixel = image.crop(0, 0, 1, 1).flatten() if image.hasalpha() else image.crop(0, 0, 1, 1)
    with Image.open(io.BytesIO(pixel.jpegsave_buffer(keep=keep_flags(image)))) as written:
        return bytes(written.info.get("exif", b""))


def kinds_left(image: pyvips.Image) -> frozenset[Metadata]:
    """Return the kinds of metadata that an image from `with_metadata` would be written with."""
    flags = keep_flags(image)
    kinds = {
        _FLAG_EXIF: Metadata.EXIF,
        _FLAG_XMP: Metadata.XMP,
        _FLAG_IPTC: Metadata.IPTC,
        _FLAG_ICC: Metadata.ICC,
    }
    return frozenset(kind for flag, kind in kinds.items() if flags & flag)


def orientation_of(image: pyvips.Image) -> int:
    """Return the EXIF orientation that an image leaves to its reader, 1 for none."""
    return int(image.get("orientation")) if image.get_typeof("orientation") else 1


def profile_of(image: pyvips.Image) -> str:
    """Return the description of the profile under which an image's colours are to be read.

    Empty where that is sRGB: for one that says so, for none, and for one of another colour space,
    which every reader ignores.
    """
    profile = valid_profile(image)
    return "" if not profile or icc.is_srgb(profile) else icc.description(profile)


def valid_profile(image: pyvips.Image) -> bytes:
    """Return the profile of an image that is for its colour space, or nothing."""
    profile = bytes(image.get(_ICC)) if image.get_typeof(_ICC) else b""
    is_ignored = icc.colour_space(profile) != _PROFILE_SPACES.get(image.interpretation)
    return b"" if is_ignored else profile


def without_profile(image: pyvips.Image) -> pyvips.Image:
    """Return an image that carries no profile."""
    bare = image.copy()
    bare.remove(_ICC)
    return bare


def _prune_exif(image: pyvips.Image, keep: frozenset[Keep]) -> None:
    orientation = orientation_of(image)
    is_empty = orientation == 1
    for field in [name for name in image.get_fields() if name.startswith("exif-ifd")]:
        if _is_exif_kept(image, field, keep):
            is_empty = False
        else:
            image.remove(field)
    if orientation != 1:
        image.set_type(pyvips.GValue.gint_type, "orientation", orientation)
        image.set_type(
            pyvips.GValue.gstr_type,
            "exif-ifd0-Orientation",
            f"{orientation} ({orientation}, Short, 1 components, 2 bytes)",
        )
    if is_empty:
        image.remove(_EXIF)


def _is_exif_kept(image: pyvips.Image, field: str, keep: frozenset[Keep]) -> bool:
    if field.startswith(_THUMBNAIL_IFD) or field in _STALE_FIELDS:
        return False
    if Keep.ALL in keep or Keep.EXIF in keep:
        return True
    if Keep.NO_GPS in keep:
        is_opaque = field.split("-", 2)[-1] in _OPAQUE_FIELDS
        text = str(image.get(field))  # some hundred a photo, so where it decides alone
        is_placed = bool(_LOCATION_IN_XMP.search(text.encode(errors="replace")))
        return not (field.startswith(_GPS_IFD) or is_opaque or is_placed)
    return Keep.COPYRIGHT in keep and field in _COPYRIGHT_FIELDS


def _prune_xmp(image: pyvips.Image, keep: frozenset[Keep]) -> None:
    if not image.get_typeof(_XMP):
        return
    packet = bytes(image.get(_XMP))
    is_wanted = bool(keep & {Keep.ALL, Keep.XMP}) or (
        Keep.NO_GPS in keep and not _LOCATION_IN_XMP.search(packet)
    )
    # a packet that announces a gain map which is gone would mislead an HDR viewer
    if not is_wanted or _GAIN_MAP_IN_XMP.search(packet):
        image.remove(_XMP)
    elif orientation_of(image) == 1:
        upright = _ORIENTATION_IN_XMP.sub(rb"\g<1>1", packet)
        image.set_type(pyvips.GValue.blob_type, _XMP, upright)


def _prune_iptc(image: pyvips.Image, keep: frozenset[Keep]) -> None:
    for field in _IPTC:
        if not image.get_typeof(field):
            continue
        is_wanted = bool(keep & {Keep.ALL, Keep.IPTC}) or (
            Keep.NO_GPS in keep and not _LOCATION_IN_IPTC.search(bytes(image.get(field)))
        )
        if not is_wanted:
            image.remove(field)


def _prune_icc(image: pyvips.Image, keep: frozenset[Keep]) -> None:
    if not image.get_typeof(_ICC):
        return
    is_srgb = image.get_typeof(CONVERTED) or icc.is_srgb(bytes(image.get(_ICC)))
    if is_srgb and Keep.ALL not in keep:
        image.remove(_ICC)


def _tell_colours(image: pyvips.Image) -> None:
    """Bring EXIF's word for the colours to what they have become: 1 for sRGB, or uncalibrated."""
    if image.get_typeof(_COLOUR_SPACE):
        code = _UNCALIBRATED if profile_of(image) else _SRGB
        told = f"{code} ({code}, Short, 1 components, 2 bytes)"
        image.set_type(pyvips.GValue.gstr_type, _COLOUR_SPACE, told)


def _prune_comments(image: pyvips.Image, keep: frozenset[Keep]) -> None:
    for field in [name for name in image.get_fields() if _COMMENT.search(name)]:
        text = str(image.get(field))
        is_wanted = Keep.ALL in keep or (
            Keep.NO_GPS in keep and not _LOCATION_IN_XMP.search(text.encode(errors="replace"))
        )
        if not is_wanted or _RAW_PROFILE.search(field):
            image.remove(field)

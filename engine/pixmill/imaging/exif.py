"""Bring EXIF blocks that libvips does not look for to where it finds them.

Must not decide what is kept: `metadata` does.
"""

from __future__ import annotations

import io
from typing import Final

import pyvips
from PIL import Image

__all__ = ["exif_bytes", "exif_orientation", "with_exif", "with_orientation"]

_ORIENTATION: Final = 0x0112
_MAX_ORIENTATION: Final = 8
_MAX_READ_BYTES: Final = 65_533
"""Of a longer block libvips looks at the first so many bytes, where its directory may not lie."""


def exif_bytes(image: Image.Image) -> bytes:
    """Return the EXIF block without decoding pixels, `Exif` prefix included, or nothing."""
    raw = image.info.get("exif")
    if not isinstance(raw, bytes):
        # ImageMagick's spelling in PNG: a name, a length, then lines of hexadecimal digits
        digits = str(image.info.get("Raw profile type exif", "")).split("\n")[3:]
        try:
            raw = bytes.fromhex("".join(digits))
        except ValueError:
            return b""
    if not raw:
        return b""
    return raw if raw.startswith(b"Exif\0\0") else b"Exif\0\0" + raw


def exif_orientation(exif: bytes) -> int:
    """Return the orientation that an EXIF block asks for, 1 where it asks for none."""
    if not exif:
        return 1
    block = Image.Exif()
    try:
        block.load(exif)
        value = block.get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - a broken block asks for nothing, however it is broken
        return 1
    return value if isinstance(value, int) and 1 <= value <= _MAX_ORIENTATION else 1


def with_exif(image: pyvips.Image, exif: bytes) -> pyvips.Image:
    """Attach an EXIF block as if libvips had read it.

    libvips writes the parsed fields rather than the block, and parses only while loading: so a
    JPEG of one pixel carries the block through its loader. Of too long a block, or one that libvips
    cannot parse, nothing is parsed, as when libvips reads such a block itself.
    """
    carrier = io.BytesIO()
    try:
        Image.new("L", (1, 1)).save(carrier, "JPEG", exif=exif)
        parsed = pyvips.Image.jpegload_buffer(carrier.getvalue())
    except (ValueError, OSError, pyvips.Error):
        parsed = None
    tagged = image.copy()
    for name in parsed.get_fields() if parsed else ():
        if name.startswith("exif-ifd"):
            tagged.set_type(pyvips.GValue.gstr_type, name, parsed.get(name))
    tagged.set_type(pyvips.GValue.blob_type, "exif-data", exif)
    return with_orientation(tagged)


def with_orientation(image: pyvips.Image) -> pyvips.Image:
    """Return an image that tells its orientation even where a block is too long for libvips."""
    if image.get_typeof("orientation") or not image.get_typeof("exif-data"):
        return image
    exif = bytes(image.get("exif-data"))
    orientation = exif_orientation(exif) if len(exif) > _MAX_READ_BYTES else 1
    if orientation == 1:
        return image
    tagged = image.copy()
    tagged.set_type(pyvips.GValue.gint_type, "orientation", orientation)
    return tagged

"""Take a picture that another file embeds out of it, before any library reads it.

Must not look for it: the codec's parser does.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Final

from pixmill.imaging.errors import ImagingError, imaging_error, parsing_failure
from pixmill.imaging.sources import reading, size_of
from pixmill.model import FailureKind, Stage

if TYPE_CHECKING:
    from pixmill.codecs.spec import CodecSpec
    from pixmill.imaging.sources import Source

__all__ = ["previewed"]

_OPENING_BYTES: Final = 2
_EXIF: Final = b"Exif\0\0"


def previewed(source: Source, spec: CodecSpec) -> Source:
    """Return the picture that a source of this format embeds; itself where it is the picture.

    Raises:
        ImagingError: It embeds none, or is damaged where that would be told.
    """
    if spec.preview is None:
        return source
    with reading(source) as file:
        try:
            found = spec.preview(file, size_of(file))
        except ValueError as error:
            raise ImagingError(parsing_failure(error)) from error
        if found is None:
            message = f"expected an embedded preview, found none: {spec.title} is not supported"
            raise imaging_error(FailureKind.UNSUPPORTED, Stage.READ, message)
        file.seek(found.offset)
        content = file.read(found.size_bytes)
    return _turned(content, found.orientation)


def _turned(jpeg: bytes, orientation: int) -> bytes:
    """Return a JPEG that says itself how to turn it; what it says already stands."""
    if orientation == 1 or _EXIF in jpeg[: 1 << 16]:
        return jpeg
    directory = b"MM" + struct.pack(">HIHHHIHHI", 42, 8, 1, 0x112, 3, 1, orientation, 0, 0)
    body = _EXIF + directory
    segment = b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body
    return jpeg[:_OPENING_BYTES] + segment + jpeg[_OPENING_BYTES:]

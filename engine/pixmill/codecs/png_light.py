"""PNGs so plain that Pillow decodes them as libpng does, and how it encodes them.

Pillow checks neither the sums of pixels nor where they end, so a file is checked here to its last
bit. Must not decode rows.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from pixmill.codecs.light import Light
from pixmill.codecs.png_chunks import SIGNATURE
from pixmill.codecs.spec import Handing
from pixmill.vocabulary import Effort

if TYPE_CHECKING:
    from pixmill.codecs.spec import Encoding

__all__ = ["LIGHT"]

_FRAME_BYTES, _HEADER_BYTES = 12, 13
_BANDS: Final = {0: 1, 2: 3, 4: 2, 6: 4}
"""By colour type, without palettes: the PNG specification 11.2.1."""
_EIGHT_BITS: Final = 8
_NO_INTERLACE: Final = b"\0\0\0"
_LAST_FILTER: Final = 4
_MOST_RASTER_BYTES: Final = 1 << 20
# 60 images of 32 to 64 px, libvips at 3 and all filters 242.0 kB, Pillow at 3 256.7 and 235 us, at
# 6 235.4 and 283.
_LEVEL: Final = {Effort.FAST: 6, Effort.BALANCED: 6, Effort.BEST: 9}


def _is_plain(content: bytes, _recode: object) -> bool:
    """Whether there is a header of a common form, one sound stream of rows, and nothing else."""
    try:
        chunks = _chunks(content)
        (kind, header), *streams, (last, nothing) = chunks
    except (ValueError, IndexError):
        return False
    has_kinds = kind == b"IHDR" and last == b"IEND" and {each for each, _ in streams} == {b"IDAT"}
    if not has_kinds or nothing or len(header) != _HEADER_BYTES:
        return False
    depth, colour, rest = header[8], header[9], header[10:]
    if depth != _EIGHT_BITS or colour not in _BANDS or rest != _NO_INTERLACE:
        return False
    width_px, height_px = int.from_bytes(header[:4], "big"), int.from_bytes(header[4:8], "big")
    row_bytes = 1 + width_px * _BANDS[colour]
    return _is_sound(b"".join(body for _, body in streams), row_bytes, height_px)


def _chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return kind and body of every chunk.

    Raises:
        ValueError: A checksum is wrong, or the last does not end with the file.
    """
    if not content.startswith(SIGNATURE):
        raise ValueError("no signature")
    found, at = [], len(SIGNATURE)
    while at < len(content):
        size_bytes = int.from_bytes(content[at : at + 4], "big")
        end = at + _FRAME_BYTES + size_bytes
        told = int.from_bytes(content[end - 4 : end], "big")
        if end > len(content) or zlib.crc32(content[at + 4 : end - 4]) != told:
            raise ValueError("a chunk is not sound")
        found.append((content[at + 4 : at + 8], content[at + 8 : end - 4]))
        at = end
    return found


def _is_sound(stream: bytes, row_bytes: int, height_px: int) -> bool:
    """Whether a stream holds just these rows, each by a filter that there is."""
    raster_bytes = row_bytes * height_px
    if not 0 < raster_bytes <= _MOST_RASTER_BYTES:
        return False
    inflating = zlib.decompressobj()
    try:
        rows = inflating.decompress(stream, raster_bytes + 1)
    except zlib.error:
        return False
    is_whole = inflating.eof and not inflating.unused_data and len(rows) == raster_bytes
    return is_whole and max(rows[::row_bytes]) <= _LAST_FILTER


def _handed(encoding: Encoding, _bands: int) -> Handing | None:
    if encoding.is_palette or encoding.is_flat or encoding.is_moving or encoding.tuned:
        return None
    return Handing(plugin=LIGHT.plugin, options={"compress_level": _LEVEL[encoding.effort]})


LIGHT: Final = Light(
    plugin="PngImagePlugin", is_plain=_is_plain, handed=_handed, finished=lambda content: content
)

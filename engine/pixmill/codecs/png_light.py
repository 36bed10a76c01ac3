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
_LEVEL: Final = {Effort.FAST: 6, Effort.BALANCED: 6, Effort.BEST: 9}
_HIGHEST_LEVEL: Final = 9
# Bytes of what takes more than a byte a pixel in more than 256 colours, at 9 over what libvips at 3
# and oxipng made of it: 28 photographs of 24, 32, 48, 64, 96 and 128 px 0.985, 0.992, 1.000, 1.004,
# 1.009, 1.018, up to 21 drawings 0.963, 0.969, 0.985, 0.991, 1.003, 1.027. Up to 64 px 9 takes as
# long as 6; at 250 px three times as long. The thread that waits for oxipng turns in circles until
# another wakes, on two busy cores for 1 to 4 ms an image.
_FINAL_PX: Final = 4096
_DENSE_BYTES_PER_PX: Final = 1.0


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
    is_tiny = 0 < encoding.pixels <= _FINAL_PX
    level = _HIGHEST_LEVEL if is_tiny else _LEVEL[encoding.effort]
    return Handing(plugin=LIGHT.plugin, options={"compress_level": level})


def _is_final(effort: Effort, pixels: int, size_bytes: int) -> bool:
    is_dense = size_bytes > _DENSE_BYTES_PER_PX * pixels
    return effort is Effort.FAST and is_dense and pixels <= _FINAL_PX


LIGHT: Final = Light(
    plugin="PngImagePlugin",
    is_plain=_is_plain,
    handed=_handed,
    finished=lambda content: content,
    is_final=_is_final,
)

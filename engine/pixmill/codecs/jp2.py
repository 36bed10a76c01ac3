"""JPEG 2000: in its box format, or a bare codestream; written without loss, where it is asked for.

Lossy writing is left out. OpenJPEG's fixed quality misses what it is asked for where little is
drawn: at 33.5 dB a flat RGB square came out 12 dB worse, and an opaque alpha of 255 as 128.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, Final

from pixmill.codecs.costs import FIXED_BYTES
from pixmill.codecs.pillow_read import pillow_codec
from pixmill.codecs.spec import Encoding, Library, SaveValue, Scan

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixmill.header import Header

__all__ = ["SPEC"]

_OPENINGS: Final = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


def _recognises(head: bytes) -> bool:
    return head.startswith(_OPENINGS)


def _scan(_file: BinaryIO, _size_bytes: int) -> Scan:
    return Scan(is_lossless=False)  # only decoding could tell, and most are lossy


def _decode_cost(header: Header, _shrink: int) -> int:
    # Measured 17.5 B/px for RGB, 21.6 for RGBA: OpenJPEG holds four bytes a sample beside Pillow's
    # pixels; in tiles half of that.
    return FIXED_BYTES + header.pixels * (6 + 4 * header.bands)


def _encode_cost(_encoding: Encoding, pixels: int, bands: int) -> int:
    # Measured beside the pixels and Pillow's four bytes: 36.5 B/px for RGB, 53.6 for RGBA, of noise
    # whose file counts in; OpenJPEG holds every sample as a number of four bytes, twice.
    return FIXED_BYTES + pixels * (4 + 15 * bands)


def _save_options(_encoding: Encoding) -> Mapping[str, SaveValue]:
    # Colours turned to differences, still exact: a photo took 548 kB instead of 815.
    return {"mct": 1}


_READ: Final = pillow_codec(
    name="jp2",
    title="JPEG 2000",
    suffixes=(
        ".jp2",
        ".j2k",
        ".jpf",
        ".jpx",
        ".j2c",
        ".jpc",
    ),
    pillow_format="JPEG2000",
    recognises=_recognises,
    is_lossless=None,
    scan=_scan,
    fallback="webp",
    decode_cost=_decode_cost,
)
SPEC: Final = replace(
    _READ,
    media_type="image/jp2",
    writer=Library.PILLOW,
    is_on_request=True,
    supports_lossy=False,
    encode_cost=_encode_cost,
    save_options=_save_options,
)

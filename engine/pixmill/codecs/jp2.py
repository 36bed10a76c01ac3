"""JPEG 2000: in its box format, or a bare codestream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.codecs.costs import FIXED_BYTES
from pixmill.codecs.pillow_read import pillow_codec

if TYPE_CHECKING:
    from pixmill.header import Header

__all__ = ["SPEC"]

_OPENINGS: Final = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


def _recognises(head: bytes) -> bool:
    return head.startswith(_OPENINGS)


def _decode_cost(header: Header, _shrink: int) -> int:
    # Measured 17.5 B/px for RGB, 21.6 for RGBA: OpenJPEG holds four bytes a sample beside Pillow's
    # pixels; in tiles half of that.
    return FIXED_BYTES + header.pixels * (6 + 4 * header.bands)


SPEC: Final = pillow_codec(
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
    fallback="webp",
    decode_cost=_decode_cost,
)

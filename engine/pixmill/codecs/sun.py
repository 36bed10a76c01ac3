"""Sun raster: four bytes, and fields with few values.

Pillow misreads two kinds without a word, which are refused: 32 bits, where the byte that is no
colour comes first and Pillow takes it last; and run lengths with rows of an odd size, whose
padding Pillow takes for pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.codecs.fields import big, read_exact
from pixmill.codecs.pillow_read import pillow_codec
from pixmill.codecs.spec import Scan

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["SPEC"]

_MAGIC: Final = b"\x59\xa6\x6a\x95"
_DEPTHS: Final = frozenset({1, 4, 8, 24, 32})
_HEADER_BYTES, _MISREAD_DEPTH, _RUN_LENGTHS = 32, 32, 2


def _recognises(head: bytes) -> bool:
    return head.startswith(_MAGIC) and int.from_bytes(head[12:16], "big") in _DEPTHS


def _scan(file: BinaryIO, _size_bytes: int) -> Scan:
    head = read_exact(file, _HEADER_BYTES, what="a sun raster header")
    width_px, depth, kind = (big(head, at, 4) for at in (4, 12, 20))
    is_odd = (width_px * depth + 7) // 8 % 2 == 1
    refusal = ""
    if depth == _MISREAD_DEPTH:
        refusal = "sun raster of 32 bits is not supported"
    elif kind == _RUN_LENGTHS and is_odd:
        refusal = "sun raster in run lengths with rows of an odd size is not supported"
    return Scan(is_lossless=True, unsupported=refusal)


SPEC: Final = pillow_codec(
    name="sun",
    title="Sun raster",
    suffixes=(".ras", ".sun"),
    pillow_format="SUN",
    recognises=_recognises,
    scan=_scan,
    supports_alpha=False,
)

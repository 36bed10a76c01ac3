"""BMP: two letters, and a header of one of the sizes there are; written where it is asked for.

`keep` makes a PNG of it: nothing is lost, every browser shows it, and it is smaller.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pixmill.codecs.costs import FIXED_BYTES
from pixmill.codecs.pillow_read import pillow_codec
from pixmill.codecs.spec import Encoding, Library, SaveValue

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SPEC"]

_HEADER_SIZES: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def _recognises(head: bytes) -> bool:
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _HEADER_SIZES


def _encode_cost(_encoding: Encoding, pixels: int, bands: int) -> int:
    # The pixels, Pillow's four bytes each, and its buffer: measured 1 B/px beyond these two.
    return FIXED_BYTES + pixels * (bands + 4 + 1)


def _save_options(_encoding: Encoding) -> Mapping[str, SaveValue]:
    return {}  # there is nothing to choose: pixels as they are


_READ: Final = pillow_codec(
    name="bmp",
    title="BMP",
    suffixes=(
        ".bmp",
        ".dib",
    ),
    pillow_format="BMP",
    recognises=_recognises,
)
SPEC: Final = replace(
    _READ,
    media_type="image/bmp",
    writer=Library.PILLOW,
    is_on_request=True,
    supports_alpha=False,  # most viewers take the fourth byte of 32 for padding
    max_edge_px=32_767,  # 3.2 GB of RGB in a square; the file's own size is told in 32 bits
    encode_cost=_encode_cost,
    save_options=_save_options,
)

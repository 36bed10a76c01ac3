"""BMP: two letters, and a header of one of the sizes there are."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]

_HEADER_SIZES: Final = frozenset({12, 16, 40, 52, 56, 64, 108, 124})


def _recognises(head: bytes) -> bool:
    return head.startswith(b"BM") and int.from_bytes(head[14:18], "little") in _HEADER_SIZES


SPEC: Final = pillow_codec(
    name="bmp",
    title="BMP",
    suffixes=(
        ".bmp",
        ".dib",
    ),
    pillow_format="BMP",
    recognises=_recognises,
)

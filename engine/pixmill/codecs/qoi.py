"""QOI: the quite OK image format."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]


def _recognises(head: bytes) -> bool:
    return head.startswith(b"qoif")


SPEC: Final = pillow_codec(
    name="qoi",
    title="QOI",
    suffixes=(".qoi",),
    pillow_format="QOI",
    recognises=_recognises,
)

"""JPEG 2000: in its box format, or a bare codestream."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]

_OPENINGS: Final = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")


def _recognises(head: bytes) -> bool:
    return head.startswith(_OPENINGS)


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
)

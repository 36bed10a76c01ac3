"""JPEG XL: recognised, so that a failure can name it; nothing here decodes it yet."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.spec import CodecSpec, Library

__all__ = ["SPEC"]

_OPENINGS: Final = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")


def _recognises(head: bytes) -> bool:
    return head.startswith(_OPENINGS)


SPEC: Final = CodecSpec(
    name="jxl",
    title="JPEG XL",
    suffixes=(".jxl",),
    reader=Library.NONE,
    recognises=_recognises,
    fallback="webp",
)

"""DDS: textures, most of them coded with loss."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]


def _recognises(head: bytes) -> bool:
    return head.startswith(b"DDS \x7c\0\0\0")


SPEC: Final = pillow_codec(
    name="dds",
    title="DDS",
    suffixes=(".dds",),
    pillow_format="DDS",
    recognises=_recognises,
    is_lossless=None,
)

"""ICO: a directory of icons; Pillow opens the largest."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.icons import has_icon_entry, icon_scan
from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]


def _recognises(head: bytes) -> bool:
    return head.startswith(b"\0\0\1\0") and has_icon_entry(head, is_cursor=False)


SPEC: Final = pillow_codec(
    name="ico",
    title="ICO",
    suffixes=(".ico",),
    pillow_format="ICO",
    recognises=_recognises,
    scan=icon_scan,
)

"""CUR: a directory of cursors, shaped as ICO is."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.icons import has_icon_entry, icon_scan
from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]


def _recognises(head: bytes) -> bool:
    return head.startswith(b"\0\0\2\0") and has_icon_entry(head, is_cursor=True)


SPEC: Final = pillow_codec(
    name="cur",
    title="CUR",
    suffixes=(".cur",),
    pillow_format="CUR",
    recognises=_recognises,
    scan=icon_scan,
)

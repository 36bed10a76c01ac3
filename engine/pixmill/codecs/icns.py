"""ICNS: Apple's icons; Pillow opens the largest."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.icons import icns_scan
from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]


def _recognises(head: bytes) -> bool:
    return head.startswith(b"icns")


SPEC: Final = pillow_codec(
    name="icns",
    title="ICNS",
    suffixes=(".icns",),
    pillow_format="ICNS",
    recognises=_recognises,
    scan=icns_scan,
)

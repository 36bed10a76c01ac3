"""SGI: two bytes, and three fields with few values."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]


def _recognises(head: bytes) -> bool:
    return (
        head.startswith(b"\x01\xda")
        and head[2:3] in {b"\0", b"\1"}
        and head[3:4] in {b"\1", b"\2"}
        and head[4:6] in {b"\0\1", b"\0\2", b"\0\3"}
    )


SPEC: Final = pillow_codec(
    name="sgi",
    title="SGI",
    suffixes=(
        ".sgi",
        ".rgb",
        ".rgba",
        ".bw",
    ),
    pillow_format="SGI",
    recognises=_recognises,
)

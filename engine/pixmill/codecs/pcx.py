"""PCX: recognised by its whole header, since its first byte says next to nothing."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]

_VERSIONS: Final = frozenset({0, 2, 3, 4, 5})
_DEPTHS: Final = frozenset({1, 2, 4, 8})
_MAX_PLANES = 4
_HEADER_BYTES = 128


def _recognises(head: bytes) -> bool:
    """Check every field that has few values: the format opens with a mere line feed."""
    if len(head) < _HEADER_BYTES or head[0] != 0x0A:  # noqa: PLR2004 - its one magic byte
        return False
    left, top, right, bottom = (int.from_bytes(head[at : at + 2], "little") for at in (4, 6, 8, 10))
    return (
        head[1] in _VERSIONS
        and head[2] <= 1
        and head[3] in _DEPTHS
        and not head[64]
        and 1 <= head[65] <= _MAX_PLANES
        and left <= right
        and top <= bottom
    )


SPEC: Final = pillow_codec(
    name="pcx",
    title="PCX",
    suffixes=(".pcx",),
    pillow_format="PCX",
    recognises=_recognises,
    supports_alpha=False,
)

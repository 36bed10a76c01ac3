"""TGA: recognised by a header whose every field agrees with the others."""

from __future__ import annotations

from typing import Final

from pixmill.codecs.pillow_read import pillow_codec

__all__ = ["SPEC"]

_HEADER_BYTES = 18
_MAPPED, _TRUE, _GREY = frozenset({1, 9}), frozenset({2, 10}), frozenset({3, 11})
_TRUE_DEPTHS: Final = frozenset({15, 16, 24, 32})
_ALPHA_BITS: Final = {8: (0, 8), 15: (0, 1), 16: (0, 1, 8), 24: (0,), 32: (0, 8)}


def _recognises(head: bytes) -> bool:
    """Check every field of the header against the others: the format opens with no magic."""
    if len(head) < _HEADER_BYTES or head[1] > 1 or head[2] not in _MAPPED | _TRUE | _GREY:
        return False
    map_start, map_length, x, y, width, height = (
        int.from_bytes(head[at : at + 2], "little") for at in (3, 5, 8, 10, 12, 14)
    )
    depth, flags = head[16], head[17]
    is_mapped = head[2] in _MAPPED
    has_good_map = (
        0 < map_length <= 1 << depth and head[7] in _TRUE_DEPTHS
        if is_mapped
        else map_start == map_length == head[7] == 0
    )
    return (
        head[1] == is_mapped
        and has_good_map
        and width > 0
        and height > 0
        and x == 0
        and y in {0, height}
        and flags >> 6 == 0
        and flags & 15 in _ALPHA_BITS.get(depth, ())
        and (depth in _TRUE_DEPTHS) == (head[2] in _TRUE)
    )


SPEC: Final = pillow_codec(
    name="tga",
    title="TGA",
    suffixes=(
        ".tga",
        ".icb",
        ".vda",
        ".vst",
    ),
    pillow_format="TGA",
    recognises=_recognises,
)

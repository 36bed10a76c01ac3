"""How often an AVIF sequence is played: an edit that repeats, ISO/IEC 14496-12 8.6.6.

A repeated edit lasts as long as its track says; a track without a known end is played for ever.
When a sequence was made is no more told, or the same pixels would give other bytes each second.
Must not know how frames are coded.
"""

from __future__ import annotations

import io
import struct
from typing import TYPE_CHECKING, Final

from pixmill.codecs.fields import big, read_up_to
from pixmill.codecs.isobmff import Box, boxes

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["plays_of", "settled"]

_ENDLESS: Final = (1 << 64) - 1
_VERSION_1: Final = b"\1"
_REPEATED: Final = 1
_MAX_BOXES_INSIDE: Final = 256
_LEVELS: Final = ((b"moov",), (b"trak",), (b"edts", b"mdia"))
_EDIT_AT: Final = 8
"""Of the first edit's duration: behind version, flags and the number of edits."""

_DURATION_AT: Final = {b"mvhd": 24, b"tkhd": 28}
"""Of a duration of 64 bits, as libavif writes it."""

_DATED: Final = (b"mvhd", b"tkhd", b"mdhd")
_DATES: Final = slice(4, 20)
"""When it was made and changed, in seconds of 64 bits: behind version and flags."""


def plays_of(file: BinaryIO, size_bytes: int) -> int:
    """Return how often a sequence is played, 0 for ever or where it does not say."""
    total = edit = 0
    for box in _inside(file, Box(b"", 0, size_bytes)):
        head = read_up_to(file, box.start, 48)
        is_known = head[:1] == _VERSION_1
        if box.kind == b"tkhd" and is_known and not total:
            total = big(head, _DURATION_AT[box.kind], 8)
        elif box.kind == b"elst" and is_known and not edit and big(head, 1, 3) & _REPEATED:
            edit = big(head, _EDIT_AT, 8)
    return 0 if not edit or total == _ENDLESS else max(1, total // edit)


def settled(content: bytes, plays: int) -> bytes:
    """Return a sequence that is played so often, 0 for ever, and does not tell when it was made.

    Args:
        content: As libavif writes it, its every track played for ever.
        plays: How often.
    """
    patched = bytearray(content)
    found = [*_inside(io.BytesIO(content), Box(b"", 0, len(content)))]
    for box in found:
        if box.kind in _DATED and content[box.start : box.start + 1] == _VERSION_1:
            patched[box.start + _DATES.start : box.start + _DATES.stop] = bytes(16)
    edits = [box for box in found if box.kind == b"elst"]
    if plays and edits:
        total = plays * big(content, edits[0].start + _EDIT_AT, 8)
        for box in found:
            if box.kind in _DURATION_AT:
                struct.pack_into(">Q", patched, box.start + _DURATION_AT[box.kind], total)
    return bytes(patched)


def _inside(
    file: BinaryIO, parent: Box, levels: tuple[tuple[bytes, ...], ...] = _LEVELS
) -> Iterator[Box]:
    """Yield what a movie, its tracks, their edits and media hold, in order."""
    for count, box in enumerate(boxes(file, parent.start, parent.end)):
        if count >= _MAX_BOXES_INSIDE:
            return
        if levels and box.kind in levels[0]:
            yield from _inside(file, Box(box.kind, box.start, min(box.end, parent.end)), levels[1:])
        else:
            yield box

"""How often an AVIF sequence is played: an edit that repeats, ISO/IEC 14496-12 8.6.6.

A repeated edit lasts as long as its track says; a track without a known end is played for ever.
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

__all__ = ["plays_of", "replayed"]

_ENDLESS: Final = (1 << 64) - 1
_VERSION_1: Final = b"\1"
_REPEATED: Final = 1
_MAX_BOXES_INSIDE: Final = 256
_LEVELS: Final = (b"moov", b"trak", b"edts")
_EDIT_AT: Final = 8
"""Of the first edit's duration: behind version, flags and the number of edits."""

_DURATION_AT: Final = {b"mvhd": 24, b"tkhd": 28}
"""Of a duration of 64 bits, as libavif writes it."""


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


def replayed(content: bytes, plays: int) -> bytes:
    """Return a sequence that is played so often, of one whose every track is played for ever."""
    if plays == 0:
        return content
    patched = bytearray(content)
    file = io.BytesIO(content)
    found = [*_inside(file, Box(b"", 0, len(content)))]
    edits = [box for box in found if box.kind == b"elst"]
    if not edits:
        return content
    total = plays * big(content, edits[0].start + _EDIT_AT, 8)
    for box in found:
        if box.kind in _DURATION_AT:
            struct.pack_into(">Q", patched, box.start + _DURATION_AT[box.kind], total)
    return bytes(patched)


def _inside(file: BinaryIO, parent: Box, levels: tuple[bytes, ...] = _LEVELS) -> Iterator[Box]:
    """Yield what a movie, its tracks and their edits hold, in order."""
    for count, box in enumerate(boxes(file, parent.start, parent.end)):
        if count >= _MAX_BOXES_INSIDE:
            return
        if levels and box.kind == levels[0]:
            yield from _inside(file, Box(box.kind, box.start, min(box.end, parent.end)), levels[1:])
        else:
            yield box

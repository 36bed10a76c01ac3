"""The boxes of ISO base media files: brands, track lengths, and whether a file is cut off.

Must not know which codec a brand means to pixmill: `avif` and `heic` do.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.codecs.cicp import Colours
from pixmill.codecs.fields import MAX_STEPS, big, read_up_to

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

__all__ = ["Box", "boxes", "brands", "cut_off", "has_gain_map", "sample_count", "told_colours"]

_MAX_BRANDS = 64
_MAX_BOXES_INSIDE = 256
_MAX_META_BYTES: Final = 1 << 20
_NUMBERED_COLOURS: Final = b"colrnclx"
_GAIN_MAPS: Final = (b"tmap", b":aux:hdrgainmap")
"""How items of a still are named that brighten it: ISO 21496-1, and Apple."""
_PATH_TO_SAMPLES: Final = (b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz")


@dataclass(frozen=True, slots=True)
class Box:
    """One box: its type, where its body begins and where it ends."""

    kind: bytes
    start: int
    end: int


def brands(head: bytes) -> tuple[bytes, ...]:
    """Return the major brand and the compatible ones; none where the file opens otherwise."""
    if head[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(head[:4], "big"), len(head), 16 + 4 * _MAX_BRANDS)
    return (head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4)))


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[Box]:
    """Yield the boxes between two offsets; the last may claim to end later.

    Raises:
        ValueError: A box claims fewer bytes than its own header has.
    """
    for _ in range(MAX_STEPS):
        if start + 8 > end:
            return
        head = read_up_to(file, start, 16)
        size_bytes, body = big(head, 0, 4), start + 8
        if size_bytes == 1:
            size_bytes, body = big(head, 8, 8), start + 16
        box_end = start + size_bytes if size_bytes else end
        if box_end < body:
            raise ValueError(f"expected a box of at least 8 bytes at {start}, got {size_bytes}")
        yield Box(head[4:8], body, box_end)
        start = box_end


def cut_off(file: BinaryIO, size_bytes: int) -> str:
    """Return a defect where the last box of the file ends after the file does, or nothing."""
    end = max((box.end for box in boxes(file, 0, size_bytes)), default=0)
    if end <= size_bytes:
        return ""
    return f"expected {end} bytes, as its boxes say, got {size_bytes}: the file is cut off"


def sample_count(file: BinaryIO, size_bytes: int) -> int:
    """Return how many samples the first track that has any holds; 0 without one."""
    return _samples_below(file, Box(b"", 0, size_bytes), _PATH_TO_SAMPLES)


def has_gain_map(file: BinaryIO, size_bytes: int) -> bool:
    """Return whether what describes a still names a gain map, within the first megabyte of it."""
    for box in boxes(file, 0, size_bytes):
        if box.kind == b"meta":
            described = read_up_to(file, box.start, min(box.end - box.start, _MAX_META_BYTES))
            return any(name in described for name in _GAIN_MAPS)
    return False


def told_colours(file: BinaryIO) -> Colours | None:
    """Return what a still says of its colours in numbers, within the first megabyte of it.

    Of several images in one file the first that says so stands for all: gain maps come later.

    Raises:
        ValueError: Its boxes cannot be walked.
    """
    size_bytes = file.seek(0, io.SEEK_END)
    for box in boxes(file, 0, size_bytes):
        if box.kind == b"meta":
            described = read_up_to(file, box.start, min(box.end - box.start, _MAX_META_BYTES))
            at = described.find(_NUMBERED_COLOURS)
            if at < 0:
                return None
            numbers = at + len(_NUMBERED_COLOURS)
            return Colours(big(described, numbers, 2), big(described, numbers + 2, 2))
    return None


def _samples_below(file: BinaryIO, parent: Box, path: tuple[bytes, ...]) -> int:
    """Go down the path box by box; `stsz` is ISO/IEC 14496-12 8.7.3."""
    if not path:
        return big(read_up_to(file, parent.start, 12), 8, 4)
    for count, box in enumerate(boxes(file, parent.start, parent.end)):
        if count >= _MAX_BOXES_INSIDE:
            break
        if box.kind == path[0]:
            inner = Box(box.kind, box.start, min(box.end, parent.end))
            if samples := _samples_below(file, inner, path[1:]):
                return samples
    return 0

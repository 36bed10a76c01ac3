"""Find the largest JPEG that a camera raw embeds, by its directories alone.

Follows the chain and the sub-directories of what is built like a TIFF (DNG, CR2, NEF, ARW, PEF,
ORF, RW2), and the header of RAF. Must not decode, and must not search for bytes that
look like a JPEG.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pixmill.codecs.fields import big, read_up_to
from pixmill.codecs.tiff_tags import tree

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import BinaryIO

    from pixmill.codecs.tiff_tags import Field

__all__ = ["MAX_PREVIEW_BYTES", "Preview", "largest_preview"]

MAX_PREVIEW_BYTES: Final = 24_000_000
"""Most that is held of a raw before a plan is made."""

_RAF: Final = b"FUJIFILMCCD-RAW"
_RAF_OFFSET, _RAF_BYTES = 84, 88
_ORIENTATION: Final = 0x112
_PLACES: Final = ((0x201, 0x202), (0x111, 0x117))
"""Tags of a place and of its size: a thumbnail's, and those of a single strip."""

_PANASONIC_JPEG: Final = 0x2E
_SIGNATURE: Final = b"\xff\xd8\xff"
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_OTHER_FRAMES: Final = frozenset({0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0)})
_MAX_SEGMENTS: Final = 100


@dataclass(frozen=True, slots=True)
class Preview:
    """Where a JPEG lies in a raw.

    Attributes:
        offset: Of its first byte.
        size_bytes: Its size.
        orientation: What the raw says of how to turn it, 1 for nothing.
    """

    offset: int
    size_bytes: int
    orientation: int = 1


def largest_preview(file: BinaryIO, size_bytes: int) -> Preview | None:
    """Return the largest embedded JPEG that may be held, `None` where there is none.

    Raises:
        ValueError: The structure is damaged.
    """
    if read_up_to(file, 0, len(_RAF)) == _RAF:
        head = read_up_to(file, 0, _RAF_BYTES + 4)
        found = [Preview(big(head, _RAF_OFFSET, 4), big(head, _RAF_BYTES, 4))]
    else:
        found = _in_directories(file)
    sound = [
        one
        for one in found
        if one.size_bytes <= MAX_PREVIEW_BYTES and one.offset + one.size_bytes <= size_bytes
    ]
    for one in sorted(sound, key=lambda each: each.size_bytes, reverse=True):
        if _is_picture(file, one.offset):
            return one
    return None


def _in_directories(file: BinaryIO) -> list[Preview]:
    found: list[Preview] = []
    orientation = 0
    for directory in tree(file):
        if _ORIENTATION in directory:  # the first directory's, which speaks for the whole picture
            orientation = orientation or directory[_ORIENTATION].number
        found += _placed(directory)
    turned = orientation if 1 <= orientation <= 8 else 1  # noqa: PLR2004 - EXIF's eight
    return [Preview(one.offset, one.size_bytes, turned) for one in found]


def _placed(directory: Mapping[int, Field]) -> list[Preview]:
    """Return what one directory points to."""
    found = [
        Preview(directory[place].number, directory[size].number)
        for place, size in _PLACES
        if place in directory and size in directory and directory[place].count == 1
    ]
    if _PANASONIC_JPEG in directory:
        held = directory[_PANASONIC_JPEG]
        found.append(Preview(held.offset, held.count))
    return [one for one in found if one.offset and one.size_bytes]


def _is_picture(file: BinaryIO, offset: int) -> bool:
    """Whether a JPEG begins there that is no lossless one, which is how sensors are stored."""
    if read_up_to(file, offset, len(_SIGNATURE)) != _SIGNATURE:
        return False
    at = offset + 2
    for _ in range(_MAX_SEGMENTS):
        head = read_up_to(file, at, 4)
        if len(head) < 4 or head[0] != 0xFF or head[1] in _OTHER_FRAMES:  # noqa: PLR2004 - a marker
            return False
        if head[1] in _FRAMES:
            return True
        at += 2 + big(head, 2, 2)
    return False

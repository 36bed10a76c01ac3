"""The directory that ICO and CUR share, and the sizes of what icons hold.

Pillow decodes an icon as soon as it is opened, so what it would set aside is told here first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pixmill.codecs.fields import big, read_up_to
from pixmill.codecs.spec import Scan

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["has_icon_entry", "icns_scan", "icon_scan"]

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JP2: Final = b"\0\0\0\x0cjP  "
_INNER_BYTES: Final = 64
_MAX_ICON_EDGE_PX: Final = 4096
_MAX_ICONS: Final = 1000

_DIRECTORY_BYTES, _ENTRY_BYTES = 6, 16
_MAX_PLANES = 1
_DEPTHS = frozenset({0, 1, 2, 4, 8, 16, 24, 32})
_MAX_EDGE_PX = 256
_BITMAP_HEADERS = (40, 108, 124)


def has_icon_entry(head: bytes, *, is_cursor: bool) -> bool:
    """Tell whether the directory's first entry holds together and points past the directory.

    The four bytes that open a directory are common in other files; this makes them safe.
    """
    count = _number(head, 4, 2)
    entry = head[_DIRECTORY_BYTES : _DIRECTORY_BYTES + _ENTRY_BYTES]
    if not count or len(entry) < _ENTRY_BYTES or entry[3]:
        return False
    first, second = _number(entry, 4, 2), _number(entry, 6, 2)
    has_good_pair = (
        max(first, second) <= _MAX_EDGE_PX  # the hot spot
        if is_cursor
        else first <= _MAX_PLANES and second in _DEPTHS
    )
    is_past_directory = _number(entry, 12, 4) >= _DIRECTORY_BYTES + _ENTRY_BYTES * count
    return has_good_pair and _number(entry, 8, 4) > 0 and is_past_directory


def icon_scan(file: BinaryIO, _size_bytes: int) -> Scan:
    """Return the facts of an ICO or CUR; a picture that is no icon's size is a defect."""
    count = _number(read_up_to(file, 0, _DIRECTORY_BYTES), 4, 2)
    edge_px = 0
    for number in range(min(count, _MAX_ICONS)):
        entry = read_up_to(file, _DIRECTORY_BYTES + _ENTRY_BYTES * number, _ENTRY_BYTES)
        inner = read_up_to(file, _number(entry, 12, 4), _INNER_BYTES)
        edge_px = max(edge_px, _inner_edge_px(inner))
    return Scan(is_lossless=True, defect=_defect(edge_px))


def icns_scan(file: BinaryIO, size_bytes: int) -> Scan:
    """Return the facts of an ICNS; a picture that is no icon's size is a defect."""
    offset, edge_px = 8, 0
    for _ in range(_MAX_ICONS):
        opening = read_up_to(file, offset, 8 + _INNER_BYTES)
        if offset >= size_bytes or len(opening) <= 8:  # noqa: PLR2004 - a type and a length
            break
        edge_px = max(edge_px, _inner_edge_px(opening[8:]))
        offset += max(8, big(opening, 4, 4))
    return Scan(is_lossless=None, defect=_defect(edge_px))


def _inner_edge_px(inner: bytes) -> int:
    """Return the longest edge that a picture inside an icon claims; 0 where it claims none."""
    if inner.startswith(_PNG):
        return max(big(inner, 16, 4), big(inner, 20, 4))
    if inner.startswith(_JP2):
        at = inner.find(b"ihdr")
        return max(big(inner, at + 4, 4), big(inner, at + 8, 4)) if at > 0 else 0
    is_bitmap = _number(inner, 0, 4) in _BITMAP_HEADERS and len(inner) >= min(_BITMAP_HEADERS)
    # the height counts the mask below the colours, and may be negative: bottom up
    return max(_number(inner, 4, 4), _number(inner, 8, 4) // 2) if is_bitmap else 0


def _defect(edge_px: int) -> str:
    if edge_px <= _MAX_ICON_EDGE_PX:
        return ""
    return f"expected icons of at most {_MAX_ICON_EDGE_PX} px an edge, got {edge_px}"


def _number(data: bytes, offset: int, count: int) -> int:
    return int.from_bytes(data[offset : offset + count], "little")

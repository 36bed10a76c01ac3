"""The directory that ICO and CUR share."""

from __future__ import annotations

__all__ = ["has_icon_entry"]

_DIRECTORY_BYTES, _ENTRY_BYTES = 6, 16
_MAX_PLANES = 1
_DEPTHS = frozenset({0, 1, 2, 4, 8, 16, 24, 32})
_MAX_EDGE_PX = 256


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


def _number(data: bytes, offset: int, count: int) -> int:
    return int.from_bytes(data[offset : offset + count], "little")

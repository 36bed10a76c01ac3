"""Bounded reading of an untrusted binary structure.

Every parser of this package goes through it, so that a short or lying file raises `ValueError` and
nothing else. Must not know any format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from typing import BinaryIO

__all__ = ["MAX_STEPS", "big", "little", "read_exact", "read_up_to"]

MAX_STEPS: Final = 1_000_000
"""Blocks, chunks or segments that a parser follows before it gives up: about a second of work."""


def read_exact(file: BinaryIO, count: int, *, what: str) -> bytes:
    """Read exactly `count` bytes.

    Raises:
        ValueError: The file ends first; `what` names in the message what was expected.
    """
    data = file.read(count)
    if len(data) != count:
        raise ValueError(f"expected {count} bytes of {what}, got {len(data)}: the file is cut off")
    return data


def read_up_to(file: BinaryIO, offset: int, count: int) -> bytes:
    """Read at most `count` bytes from `offset`; fewer where the file ends."""
    file.seek(offset)
    return file.read(count)


def big(data: bytes, offset: int, count: int) -> int:
    """Return the big-endian number of `count` bytes at `offset`.

    Raises:
        ValueError: The data ends before the number does.
    """
    return _number(data, offset, count, is_little=False)


def little(data: bytes, offset: int, count: int) -> int:
    """Return the little-endian number of `count` bytes at `offset`.

    Raises:
        ValueError: The data ends before the number does.
    """
    return _number(data, offset, count, is_little=True)


def _number(data: bytes, offset: int, count: int, *, is_little: bool) -> int:
    field = data[offset : offset + count]
    if len(field) != count:
        raise ValueError(f"expected {count} bytes at offset {offset} of {len(data)}: it is cut off")
    return int.from_bytes(field, "little" if is_little else "big")

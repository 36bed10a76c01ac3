"""Read numbers of a few bits, the lowest first, as JPEG XL writes its headers: ISO/IEC 18181-1 B.2.

Must not know what they mean. Past the end `ValueError` is raised, and nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BitReader", "Choice"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the four ways in which a number is written: an offset, and so many bits added."""

    offset: int
    bits: int = 0


class BitReader:
    """Bits of some bytes, taken from the front.

    Args:
        data: Where they are.
    """

    def __init__(self, data: bytes) -> None:
        self._bits = int.from_bytes(data, "little")
        self._left = 8 * len(data)

    def take(self, count: int) -> int:
        """Return the number that the next so many bits are.

        Raises:
            ValueError: There are fewer.
        """
        if count > self._left:
            raise ValueError("expected more bits of a header: it is cut off")
        value = self._bits & ((1 << count) - 1)
        self._bits >>= count
        self._left -= count
        return value

    def is_set(self) -> bool:
        """Return whether the next bit is one."""
        return self.take(1) == 1

    def chosen(self, ways: Sequence[Choice]) -> int:
        """Return a number that says in two bits in which of four ways it is written."""
        way = ways[self.take(2)]
        return way.offset + self.take(way.bits)

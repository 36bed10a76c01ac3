"""Eight bytes of shared memory in which a worker notes the job in its hands."""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass

__all__ = ["NOTE_BYTES", "SharedNote", "mapped"]

NOTE_BYTES = 8
_NUMBER = struct.Struct("=Q")


@dataclass(frozen=True, slots=True)
class SharedNote:
    """The job in a worker's hands, readable after the worker has died.

    Args:
        memory: Eight writable bytes that both processes see, zero at first.
    """

    memory: mmap.mmap | memoryview

    def take(self, number: int) -> None:
        """Note that a job is about to be opened."""
        _NUMBER.pack_into(self.memory, 0, number + 1)

    def clear(self) -> None:
        """Note that no job is in hand."""
        _NUMBER.pack_into(self.memory, 0, 0)

    @property
    def in_hand(self) -> int | None:
        """The number of the job in hand, or `None`."""
        (number,) = _NUMBER.unpack_from(self.memory, 0)
        return number - 1 if number else None


def mapped(descriptor: int) -> SharedNote:
    """Map a note from a file of at least `NOTE_BYTES`."""
    return SharedNote(mmap.mmap(descriptor, mmap.PAGESIZE))

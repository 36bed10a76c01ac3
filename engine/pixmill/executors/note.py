"""Eight bytes of shared memory in which a worker notes the job in its hands.

Written into a file as well they outlive the run: the next one knows what a run held that ended
without a word. That file is never mapped: where its disc is full, touching it would be a SIGBUS.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NOTE_BYTES", "Hands", "SharedNote", "mapped"]

NOTE_BYTES = 8
_NUMBER = struct.Struct("=Q")


@dataclass(frozen=True, slots=True)
class SharedNote:
    """The job in a worker's hands, readable after the worker has died.

    Args:
        memory: Eight writable bytes that both processes see, zero at first.
        hand: Descriptor of a file that is to hold the same, or -1.
    """

    memory: mmap.mmap | memoryview
    hand: int = -1

    def take(self, number: int) -> None:
        """Note that a job is about to be opened."""
        self._note(number + 1)

    def clear(self) -> None:
        """Note that no job is in hand."""
        self._note(0)

    def _note(self, number: int) -> None:
        _NUMBER.pack_into(self.memory, 0, number)
        if self.hand >= 0:
            with contextlib.suppress(OSError):  # a full disc: the next run is told nothing
                os.pwrite(self.hand, _NUMBER.pack(number), 0)

    @property
    def in_hand(self) -> int | None:
        """The number of the job in hand, or `None`."""
        (number,) = _NUMBER.unpack_from(self.memory, 0)
        return number - 1 if number else None


def mapped(descriptor: int, hand: int = -1) -> SharedNote:
    """Map a note from memory of at least `NOTE_BYTES`, to be written into a file as well."""
    return SharedNote(mmap.mmap(descriptor, mmap.PAGESIZE), hand)


@dataclass(frozen=True, slots=True)
class Hands:
    """The files in which the workers of a run note what they hold, one for each slot.

    Args:
        prefix: Path of the files but for the slot's number at its end.
    """

    prefix: Path

    def opened(self, slot: int) -> int:
        """Return the descriptor of an empty note for a new worker.

        Raises:
            OSError: It cannot be made.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
        return os.open(f"{self.prefix}{slot}", flags, 0o600)

    def left(self) -> list[int]:
        """Return the numbers of the jobs that a dead run had in its hands."""
        numbers = []
        for path in self._files():
            with contextlib.suppress(OSError, struct.error), path.open("rb") as file:
                (number,) = _NUMBER.unpack(file.read(NOTE_BYTES))
                numbers += [number - 1] if number else []
        return numbers

    def clear(self) -> None:
        """Remove every note."""
        for path in self._files():
            with contextlib.suppress(OSError):
                path.unlink()

    def _files(self) -> list[Path]:
        name = self.prefix.name
        with contextlib.suppress(OSError):
            return [path for path in self.prefix.parent.iterdir() if path.name.startswith(name)]
        return []

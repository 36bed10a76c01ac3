"""Shared memory in which a worker notes the job in its hands, and leaves its last words."""

from __future__ import annotations

import mmap
import os
import struct
import sys
from dataclasses import dataclass

if sys.platform == "linux":
    import fcntl

__all__ = ["NOTE_BYTES", "WORDS_AT", "SharedNote", "made", "mapped"]

NOTE_BYTES = 8
WORDS_AT = mmap.PAGESIZE
_WORDS_BYTES = 64 * 1024
_MAX_CHARS = 120
_NUMBER = struct.Struct("=Q")


@dataclass(frozen=True, slots=True)
class SharedNote:
    """The job in a worker's hands, readable after the worker has died.

    Args:
        memory: Writable bytes that both processes see, zero at first: eight for the number of the
            job; from `WORDS_AT` on, where it is that long, what the worker writes to standard error
            while it makes an image.
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

    @property
    def last_words(self) -> str:
        """The last line that a dead worker left, fit for a person's eyes, or nothing."""
        written = bytes(self.memory[WORDS_AT:]).partition(b"\0")[0]
        lines = written.decode(errors="replace").splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "")
        return "".join(each if each.isprintable() else " " for each in last).strip()[:_MAX_CHARS]


def made() -> int:
    """Return the descriptor of a new note, for a worker's words too; sealed, so it never grows."""
    descriptor = os.memfd_create("pixmill-note", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, WORDS_AT + _WORDS_BYTES)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor


def mapped(descriptor: int) -> SharedNote:
    """Map a note from `made`."""
    return SharedNote(mmap.mmap(descriptor, WORDS_AT + _WORDS_BYTES))

"""Shared memory for what a worker writes to standard error while it makes an image.

In it a worker that died leaves its last words. Must not grow, whatever a library has to say.
"""

from __future__ import annotations

import mmap
import os
import sys
from dataclasses import dataclass

if sys.platform == "linux":
    import fcntl

__all__ = ["Words", "mapped_words", "words_made"]

_BYTES = 64 * 1024
_MAX_CHARS = 120


@dataclass(frozen=True, slots=True)
class Words:
    """What a worker has said and not yet taken back.

    Args:
        memory: Text up to the first zero byte.
    """

    memory: mmap.mmap | bytes = b""

    @property
    def last(self) -> str:
        """The last line, fit for a person's eyes, or nothing."""
        lines = bytes(self.memory[:]).partition(b"\0")[0].decode(errors="replace").splitlines()
        line = next((line for line in reversed(lines) if line.strip()), "")
        return "".join(each if each.isprintable() else " " for each in line).strip()[:_MAX_CHARS]


def words_made() -> int:
    """Return the descriptor of new memory, sealed against growing and shrinking."""
    descriptor = os.memfd_create("pixmill-words", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, _BYTES)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor


def mapped_words(descriptor: int) -> Words:
    """Map memory from `words_made`."""
    return Words(mmap.mmap(descriptor, _BYTES))
